"""Embeddings that are exact or read little, and recall in plain Python: what the real one is compared with."""

from __future__ import annotations

import math
from datetime import timedelta

from langchain_core.embeddings import Embeddings

from agentmem.testing import HashingEmbeddings

DIMENSIONS = 16
WORDS = [f"w{number}" for number in range(DIMENSIONS)]
SYNONYMS = {f"v{number}": word for number, word in enumerate(WORDS)}


class ExactEmbeddings(Embeddings):
    """1, 4 or 16 words of `WORDS`, each with the same share: every vector has length 1, and every product is a multiple
    of 1/16. `-w3` points the other way, and `v3` means what `w3` does; no known word, a zero vector.
    """

    model_name = "exact-16"

    def embed_documents(self, texts):
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text):
        if text.startswith("The quick brown fox"):
            return [0.25] * DIMENSIONS
        known = [(word, SYNONYMS.get(word.lstrip("-"), word.lstrip("-"))) for word in text.split()]
        said = [(word, meaning) for word, meaning in known if meaning in WORDS]
        share = {0: 0.0, 1: 1.0, 4: 0.5, 16: 0.25}[len(said)]
        vector = [0.0] * DIMENSIONS
        for word, meaning in said:
            vector[WORDS.index(meaning)] = -share if word.startswith("-") else share
        return vector


class ThreeWords(HashingEmbeddings):
    """A model that reads three words of a text, and knows it: a longer line has several vectors."""

    max_word_pieces = 3

    def count_word_pieces(self, texts):
        return [len(text.split()) for text in texts]


def cosine(one, other):
    embed = ExactEmbeddings().embed_query
    return sum(a * b for a, b in zip(embed(one), embed(other), strict=True))


def oracle(scopes, asked, now):
    """What recall finds, as `(id, score, rank)`, from the words of the documentation and no array.

    Args:
        scopes: The lines of each scope that is searched, in their order. Nobody speaks, and nobody asks.
        asked: The arguments of `recall`.
        now: What time it is.
    """
    every = [one for lines in scopes for one in _of_scope(lines, asked, now)]
    every.sort(key=lambda one: (-one["rank"], -_moment(one["line"]).timestamp(), one["line"].id))
    found, seen = [], set()
    for one in every:
        line = one["line"]
        said = line.agent_id, line.occurred_at, tuple(_words(line.content))
        if one["score"] >= asked["min_score"] and said not in seen:
            seen.add(said)
            found.append((line.id, one["score"], one["rank"]))
    return found[: asked["limit"]]


def _of_scope(lines, asked, now):
    lexical = _lexical(lines, asked["query"])
    found = []
    for line, by_word in zip(lines, lexical, strict=True):
        if not _allowed(line, asked):
            continue
        semantic = max(0.0, cosine(asked["query"], line.content))
        score = _rounded(max(0.3 * semantic + 0.7 * by_word, semantic / 2))
        found.append({"line": line, "answer": _rounded(0.38 * semantic + 0.62 * by_word), "score": score})
    for one in found:
        line = one["line"]
        together = [other for other in found if other["line"].conversation_id == line.conversation_id]
        best = (
            sorted((other["answer"] for other in together), reverse=True)[:3]
            if line.conversation_id
            else [one["answer"]]
        )
        recency = 0.0
        if asked["half_life_days"]:
            age = max(timedelta(0), now - _moment(line)) / timedelta(days=1)
            recency = 0.1 * 0.5 ** (age / asked["half_life_days"])
        one["rank"] = _rounded(one["answer"] + 0.4 * (sum(best) / len(best)) + recency)
    return found


def _lexical(lines, query):
    """How well each line of a scope answers by word."""
    own = [_words(line.content) for line in lines]
    length = [len(words) + 3 * (line.occurred_at is not None) for line, words in zip(lines, own, strict=True)]
    lengths = _with_context(lines, length, length)
    mean = sum(lengths) / len(lengths)
    total, reached = 0.0, [0.0] * len(lines)
    for word in dict.fromkeys(_words(query)):
        amounts = _with_context(lines, [words.count(word) for words in own], length)
        known = sum(amount > 0 for amount in amounts)
        weight = math.log(1 + (len(lines) + 100 - known + 0.5) / (known + 0.5))
        total += weight
        for place, amount in enumerate(amounts):
            reached[place] += weight * amount / (amount + 0.9 * (0.6 + 0.4 * lengths[place] / mean))
    return [_rounded(amount / total) for amount in reached]


def _with_context(lines, own, length):
    """The figure of each line, and shares of those of the two before it in the same conversation."""
    found = []
    for place, line in enumerate(lines):
        before = [number for number in range(place) if lines[number].conversation_id == line.conversation_id]
        near = [own[number] for number in reversed(before[-2:])] if line.conversation_id else []
        added = sum(share * amount for share, amount in zip((0.6, 0.36), near, strict=False))
        found.append(own[place] + min(1.0, 30 / max(length[place], 1)) * added)
    return found


def _allowed(line, asked):
    moment = _moment(line)
    return (
        line.confidence >= max(0.5, asked["min_confidence"])
        and (asked["since"] is None or moment >= asked["since"])
        and (asked["until"] is None or moment < asked["until"])
        and asked["conversation_id"] in {None, line.conversation_id}
        and asked["source"] in {None, line.source}
    )


def _moment(line):
    return line.occurred_at or line.created_at


def _words(text):
    return text.replace("-", "").split()


def _rounded(value):
    return round(value * 1e6) / 1e6
