"""Finds keys, tokens, passwords and codes, by how they look and what stands beside them. Pure functions.

Texts are whatever somebody sends. Possessive and bounded quantifiers see to it that none takes long.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator


def found(text: str) -> Iterator[tuple[int, int, str]]:
    """Return where each of them begins and ends, and what it is."""
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            yield (*match.span("value" if "value" in pattern.groupindex else 0), kind)
    yield from ((start, end, "key") for start, end in _pems(text))
    yield from ((start, end, "token") for start, end in _tokens(text))


def _words(words: str) -> str:
    return "|".join(words.split())


# --- keys and tokens --------------------------------------------------------------------------------------------------

# What vendors begin their keys with, so that scanners find them.
_KEYS: Final = (
    r"sk-[A-Za-z0-9_-]{16,}",  # OpenAI, Anthropic, DeepSeek, OpenRouter
    r"[spr]k_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{16,}",  # Stripe
    r"(?:AKIA|ASIA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA|ABIA|ACCA)[A-Z0-9]{16}",  # AWS
    r"gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,}",
    r"gl(?:pat|dt|rt|ptt|cbt)-[A-Za-z0-9_-]{20,}",  # GitLab
    r"xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}|hooks\.slack\.com/services/[A-Za-z0-9/]{20,}",
    r"AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,}",  # Google
    r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|key-[0-9a-f]{32}",  # SendGrid, Mailgun
    r"[0-9a-f]{32}-us\d{1,2}|SK[0-9a-f]{32}",  # Mailchimp, Twilio
    r"hf_[A-Za-z0-9]{30,}|gsk_[A-Za-z0-9]{30,}|xai-[A-Za-z0-9]{30,}|pplx-[A-Za-z0-9]{30,}|r8_[A-Za-z0-9]{30,}",
    r"npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{16,}|rubygems_[0-9a-f]{40,}|dckr_pat_[A-Za-z0-9_-]{20,}",
    r"do[opr]_v1_[0-9a-f]{60,}|dapi[0-9a-f]{32}",  # DigitalOcean, Databricks
    r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|sq0(?:atp|csp)-[A-Za-z0-9_-]{20,}",  # Shopify, Square
    r"lsv2_(?:pt|sk)_[0-9a-f_]{32,}|lin_api_[A-Za-z0-9]{30,}",  # LangSmith, Linear
    r"ntn_[A-Za-z0-9]{30,}|secret_[A-Za-z0-9]{40,}|figd_[A-Za-z0-9_-]{20,}",  # Notion, Figma
    r"PMAK-[0-9a-f-]{40,}|NRAK-[A-Z0-9]{20,}",  # Postman, New Relic
    r"hv[sb]\.[A-Za-z0-9_-]{20,}|dp\.(?:pt|st)\.[A-Za-z0-9.]{30,}|AGE-SECRET-KEY-1[A-Z0-9]{50,}",  # Vault, Doppler, age
    r"sntrys_[A-Za-z0-9_=+/-]{30,}|sbp_[0-9a-f]{40}|sk\.eyJ[A-Za-z0-9._-]{20,}",  # Sentry, Supabase, Mapbox
    r"\d{8,10}:[A-Za-z0-9_-]{35}|[MNO][A-Za-z0-9]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}",  # Telegram, Discord
)
_KEY: Final = re.compile(rf"(?<![A-Za-z0-9_])(?:{'|'.join(_KEYS)})(?![A-Za-z0-9])")
_JWT: Final = re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{6,}\s?\.\s?[A-Za-z0-9_-]{6,}(?:\s?\.\s?[A-Za-z0-9_-]*)?")
_PEM_BEGIN: Final = re.compile(r"-----\s?BEGIN [A-Z0-9 ]{1,60}-----", re.IGNORECASE)
_PEM_END: Final = re.compile(r"-----\s?END [A-Z0-9 ]{1,60}-----", re.IGNORECASE)
_PEM_BODY: Final = re.compile(r"[\sA-Za-z0-9+/=\\]*")
_PEM_CHARS: Final = 20_000
_BEARER: Final = re.compile(
    r"\b(?:bearer|basic)(?:\s+token)?[\s:]+(?=[A-Za-z._~+/=-]*\d|[A-Za-z0-9+/]{20,}=)[A-Za-z0-9._~+/=-]{12,}",
    re.IGNORECASE,
)
_CONNECTION: Final = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,30}://[^\s:/@]{0,100}:[^\s@]{1,200}@[^\s@]+"
    r"|\b(?:password|pwd|accountkey|sharedaccesskey)=[^\s;,]{3,}",
    re.IGNORECASE,
)

_NAMED: Final = re.compile(
    r"(?:\b|_)(?:\w{2,12}[ _-]?)?(?:keys?|tokens?|secrets?|credentials?)(?:[ _-]?id)?\b", re.IGNORECASE
)
_TOKEN: Final = re.compile(r"(?<![\w@.+/-])[A-Za-z0-9+/_.~-]{16,}={0,2}(?![\w@])")
_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_PART: Final = r"(?>\d+|[A-Z]?[a-z]*\d{0,4})"
_WORDS: Final = re.compile(rf"{_PART}(?:[./_~-]++{_PART})*+")
"""A path, a date, the name of a thing: words and small numbers."""

_BEFORE: Final = 40
_BEHIND: Final = 20
_RANDOM_BITS: Final = 3.0
"""The entropy of a character of a token that nobody made up by hand."""


def _pems(text: str) -> Iterator[tuple[int, int]]:
    """Keys between their two lines; where the second is missing, or far away, what can be a part of one."""
    place = 0
    last = _PEM_END.search(text)
    while begin := _PEM_BEGIN.search(text, place):
        while last and last.start() < begin.end():  # each is looked for once, however many begin before it
            last = _PEM_END.search(text, last.start() + 1)
        if last and last.start() - begin.end() <= _PEM_CHARS:
            place = last.end()
        else:
            body = _PEM_BODY.match(text, begin.end())
            place = body.end() if body else begin.end()
        yield begin.start(), place


def _tokens(text: str) -> Iterator[tuple[int, int]]:
    """Yield what looks random and stands next to a word that says what it is."""
    for token in _TOKEN.finditer(text):
        start, end = token.span()
        beside = f"{text[max(0, start - _BEFORE) : start]}\n{text[end : end + _BEHIND]}"
        if _random(token[0].rstrip(".-=")) and _NAMED.search(beside):
            yield start, end


def _random(token: str) -> bool:
    if _UUID.fullmatch(token) or _WORDS.fullmatch(token) or token.isalpha() or not re.search(r"[A-Za-z]", token):
        return False
    shares = [count / len(token) for count in Counter(token).values()]
    return -sum(share * math.log2(share) for share in shares) >= _RANDOM_BITS


# --- passwords and codes ----------------------------------------------------------------------------------------------

_PASSWORDS: Final = (
    r"pass[ -]?(?:word|code|phrase)|passwort|passwd|pwd|kennwort|contraseña|clave secreta|mot de passe|senha|wachtwoord"
    r"|lösenord|adgangskode|salasana|hasło|heslo|parola|пароль|密码|密碼|パスワード|비밀번호"
)
_IS: Final = (
    r"(?:\s*+(?:'?s|(?:is|was|will be|ist|lautet|es|est|è|é|jest|är|er|on|это|是|は)(?![a-z]))"
    r"(?:\s++(?:now|still|just|set to))?(?:\s*+[:=])?|\s*+(?:[:=\u2192]|->))\s*+"
)
_FOR: Final = r"(?:\s+(?:for|to|of|on|at)\s+(?:[\w'@.-]+\s+){0,4}?[\w'@.-]+)?"
_STATES: Final = _words(
    r"""
    a about again all already also always an and any as at available bad been being blocked broken by case compromised
    correct(?!\s+[a-z]{3,}\s+[a-z]{3,}) could different due easy empty enough fine for forgotten from gone good hard has
    her hidden his how in incorrect invalid it its kept known long longer lost mandatory missing must my never new no
    none not nothing null of ok okay old on only optional or out outdated protected really reset safe same secure sent
    set short simple so someone something still strong stuck tbd temporary that the their there they this to too twice
    under unknown unsafe up valid very weak what when where whether which why with written wrong your
    \w+(?:ed|ing|able|ible)
    abgelaufen ein falsch gesperrt leider nicht noch richtig ungültig vergessen zu
    expiré incorrecta oublié olvidada pas
    """
)
"""What follows "the password is" without being one."""

_VALUE: Final = rf"[\"'`(]?(?!(?:{_STATES})\b(?![\w@#$%&*!-]))(?P<value>(?=\S*\w)[^\s\"'`]{{3,}})"
_CHANGE: Final = r"(?:re)?(?:set|changed?|updated?)"
_PASSWORD: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?<!\w)(?:{_PASSWORDS})s?{_FOR}(?:,? (?:which|that))?{_IS}{_VALUE}",
        rf"(?<!\w)(?:{_PASSWORDS})\s+(?:\w+\s+){{0,2}}{_CHANGE}\s+(?:to|as)\s+{_VALUE}",
        rf"\b(?:{_CHANGE}|setting|changing)\s+(?:[\w']+\s+){{0,3}}(?:{_PASSWORDS})\s+(?:to|as)\s+{_VALUE}",
        # Beside the word, without a verb: only what no word looks like, or what stands in quotes.
        rf"(?<!\w)(?:(?:{_PASSWORDS})[:\s]|(?:pass|pw)[:=])\s*+[\"'`]?(?=\S{{0,200}}\d)(?=\S{{0,200}}[A-Za-z!@#$%^&*])(?P<value>[^\s\"'`]{{6,}})",
        rf"(?<!\w)(?:{_PASSWORDS})s?{_FOR}(?:{_IS}|[\s:,]+)[\"'`](?P<value>[^\"'`]{{3,64}})[\"'`]",
        rf"(?<!\w)pass[ -]?phrase{_FOR}{_IS}(?!(?:{_STATES})\b)(?P<value>\w[^.,;!?\n]{{2,80}})",
    )
)
_CODES: Final = (
    r"(?:(?:card|sim|atm|debit|bank|phone|door|alarm|account|security)\s+)?pin(?:[ -]?(?:code|number|no\.?|nr\.?))?"
    r"|(?:cvv/cvc|cvv2?|cvc2?|csc)(?:[ -]?(?:code|number|value))?|(?:card )?security (?:code|number|digits)"
    r"|card verification (?:code|value|number)|one[ -]time (?:pass)?(?:code|word|pin)|otp|2fa code|verification code"
    r"|(?:sms |login |verification )tan|passcode|geheimzahl|prüfnummer|ssn|social security(?: number)?"
)
_CODE: Final = re.compile(
    rf"(?<!\w)(?:{_CODES})(?:\s+(?:for|on|of|to)\s+(?:[\w']+\s+){{0,3}}?[\w']+)?"
    r"(?:\s*(?:,|'s|is|was|are|ist|=|:|to|as|number|set|now|still|\())*[\s\"'#]*(?P<value>\d(?:[ -]?\d){2,9})(?![\w%])",
    re.IGNORECASE,
)

_PATTERNS: Final = (
    ("key", _KEY),
    ("token", _JWT),
    ("token", _BEARER),
    ("password", _CONNECTION),
    *(("password", pattern) for pattern in _PASSWORD),
    ("code", _CODE),
)
