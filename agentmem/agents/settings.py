"""What is configured for an agent, and for one version of it: whether it remembers, how long, what, and of whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    field_validator,
)
from sqlmodel import col, select
from typing_extensions import TypedDict

from agentmem import inputs
from agentmem.bounds import MAX_DAYS, MAX_MESSAGES
from agentmem.display import Shown
from agentmem.errors import InvalidInputError, NotFoundError
from agentmem.stored import StoredFormat, damaged, unchanged
from agentmem.tables import AgentSettingsRow
from agentmem.transaction import Writer
from agentmem.wording import Phrase

if TYPE_CHECKING:
    import builtins
    from collections.abc import Sequence
    from datetime import datetime

    from sqlmodel import Session

    from agentmem.transaction import Transaction, Transactions

_AGENT: Final = ""
"""The version under which the agent's own settings are stored."""

_OPERATOR: Final = Writer("operator")
_RETENTION: Final = "memory_retention_days"
_VENDOR_KEYS: Final = ("analytics_enabled", "state_keys", "identifier_blacklist", "identifier_source")


class _StoredSettings(TypedDict, total=False):
    """The settings that were given, as they are stored."""

    memory_enabled: bool
    memory_retention_days: int
    recent_messages: int
    state_keys: dict[str, int | None]
    identifier_source: str | None
    identifier_blacklist: list[str]
    analytics_enabled: bool


_FORMAT: Final = StoredFormat("agent_settings.settings", _StoredSettings, number=1, older={0: unchanged})


class AgentSettings(BaseModel):
    """What is configured for an agent.

    Args:
        memory_enabled: Whether it remembers anyone.
        memory_retention_days: How long what it keeps of a caller is there; 0 for no end. One for all versions.
        recent_messages: How many of the newest messages its memory of a contact shows.
        state_keys: The keys of `conv.state` that are kept at the end of a conversation, each with the days it lives or
            `None`; a list of keys is accepted too.
        identifier_source: What a caller is known by before anything else: `sip_header:<name>`,
            `integration_attribute:<name>` or `state:<key>`; `""` and `None` for nothing but the usual.
        identifier_blacklist: Beginnings of identifiers that do not count, such as those of test numbers.
        analytics_enabled: Whether a returning caller's first conversation is in `conv.memory` and in the metrics.

    >>> AgentSettings(state_keys=["booking_day"]).state_keys
    {'booking_day': None}
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory_enabled: StrictBool = False
    memory_retention_days: Annotated[StrictInt, Field(ge=0, le=MAX_DAYS)] = 90
    recent_messages: Annotated[StrictInt, Field(ge=0, le=MAX_MESSAGES)] = 20
    state_keys: dict[StrictStr, Annotated[StrictInt, Field(ge=1, le=MAX_DAYS)] | None] = {}
    identifier_source: Annotated[StrictStr | None, AfterValidator(lambda source: source or None)] = None
    identifier_blacklist: tuple[StrictStr, ...] = ()
    analytics_enabled: StrictBool = False

    @field_validator("state_keys", mode="before")
    @classmethod
    def _named(cls, keys: object) -> object:
        if not isinstance(keys, (list, tuple)):
            return keys
        names = cast("Sequence[object]", keys)
        return dict.fromkeys(names) if all(isinstance(name, str) for name in names) else names


@dataclass(frozen=True, slots=True)
class AgentRecord(Shown):
    """An agent, or one version of it, and the settings it has."""

    _columns: ClassVar[tuple[str, ...]] = ("agent_id", "version", "settings")

    agent_id: str
    version: str | None
    settings: AgentSettings


def unfolded(document: object) -> dict[str, object]:
    """Return the settings that a configuration in PolyAI's form stands for; having one turns memory on.

    >>> unfolded({"memory": {"repeat_caller": {"state_keys": ["booking_day"]}}})
    {'memory_enabled': True, 'state_keys': ['booking_day']}

    Raises:
        InvalidInputError: It has another form, or a key that is not known.
    """
    repeat_caller = _only("repeat_caller", _only("memory", document, "document"), "document.memory")
    return {"memory_enabled": True, **_known("document.memory.repeat_caller", repeat_caller, _VENDOR_KEYS)}


class AgentStore:
    """What is configured, by tenant, agent and version.

    Args:
        transactions: What reads and writes it.
        max_id_chars: The most characters of a state key.
    """

    def __init__(self, transactions: Transactions, *, max_id_chars: int) -> None:
        self._transactions = transactions
        self._max_id_chars = max_id_chars

    def configure(
        self, tenant_id: str, agent_id: str, version: str | None, patch: Mapping[str, object]
    ) -> AgentSettings:
        """Change the settings that are given, and keep the others; an agent not known yet becomes known.

        Raises:
            InvalidInputError: A setting is not known, its value breaks a rule, or a version is given a retention of
                its own.
        """
        given = self._checked(patch)

        def body(tx: Transaction) -> AgentSettings:
            agent = _row(tx, tenant_id, agent_id, _AGENT)
            if version is None:
                _patch(agent, given, tx.now)
                agent.retention_days = _settings(agent).memory_retention_days
                return _settings(agent)
            row = _row(tx, tenant_id, agent_id, version)
            _patch(row, _of_a_version(given, agent), tx.now)
            return _settings(agent, row)

        return self._transactions.write(body, writer=_OPERATOR)

    def get(self, session: Session, tenant_id: str, agent_id: str, version: str | None) -> AgentSettings:
        """Return the settings of an agent, or of one version of it; a version not configured has the agent's.

        Raises:
            NotFoundError: The agent was never configured.
        """
        rows = session.exec(
            select(AgentSettingsRow)
            .where(
                AgentSettingsRow.tenant_id == tenant_id,
                AgentSettingsRow.agent_id == agent_id,
                col(AgentSettingsRow.version).in_([_AGENT, version or _AGENT]),
            )
            .order_by(col(AgentSettingsRow.version))
        ).all()
        if not rows:
            raise unknown_agent()
        return _settings(*rows)

    def list(self, tenant_id: str, agent_id: str | None = None) -> builtins.list[AgentRecord]:
        """Return every agent of a tenant, or one, each followed by its versions, by code point."""
        statement = select(AgentSettingsRow).where(AgentSettingsRow.tenant_id == tenant_id)
        if agent_id is not None:
            statement = statement.where(AgentSettingsRow.agent_id == agent_id)
        with self._transactions.read() as snapshot:
            rows = snapshot.session.exec(statement).all()
        agents = {row.agent_id: row for row in rows if row.version == _AGENT}
        return [
            AgentRecord(row.agent_id, row.version or None, _settings(agents[row.agent_id], row))
            for row in sorted(rows, key=lambda row: (row.agent_id, row.version))
        ]

    def _checked(self, patch: Mapping[str, object]) -> _StoredSettings:
        """Return what is given, as it is stored."""
        _known("settings", patch, tuple(AgentSettings.model_fields))
        try:
            settings = AgentSettings.model_validate(patch)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            raise InvalidInputError(first["msg"], field=str(first["loc"][0])) from None
        for key in settings.state_keys:
            inputs.fact_key("state_keys", key, limit=self._max_id_chars)
        for entry in settings.identifier_blacklist:
            inputs.identifier("identifier_blacklist", entry, limit=self._max_id_chars)
        return cast("_StoredSettings", settings.model_dump(mode="json", include=set(patch)))


def unknown_agent() -> NotFoundError:
    """Return the answer to an agent that was never configured."""
    return NotFoundError("this agent was never configured", field="agent_id", advice=Phrase.CONFIGURE)


def _row(tx: Transaction, tenant_id: str, agent_id: str, version: str) -> AgentSettingsRow:
    statement = select(AgentSettingsRow).where(
        AgentSettingsRow.tenant_id == tenant_id,
        AgentSettingsRow.agent_id == agent_id,
        AgentSettingsRow.version == version,
    )
    row = tx.session.exec(statement.with_for_update()).one_or_none()
    if row is None:
        row = AgentSettingsRow(
            tenant_id=tenant_id,
            agent_id=agent_id,
            version=version,
            settings=_FORMAT.write({}),
            retention_days=None if version else AgentSettings().memory_retention_days,
            created_at=tx.now,
            updated_at=tx.now,
        )
        tx.session.add(row)
    return row


def _settings(*rows: AgentSettingsRow) -> AgentSettings:
    """Return the agent's own settings, and those of a version on top."""
    given: _StoredSettings = {}
    for row in rows:
        given |= _FORMAT.read(row.settings)
    try:
        return AgentSettings.model_validate(given)
    except ValidationError:
        raise damaged(_FORMAT.kind) from None


def _patch(row: AgentSettingsRow, given: _StoredSettings, moment: datetime) -> None:
    row.settings = _FORMAT.write(_FORMAT.read(row.settings) | given)
    row.updated_at = moment


def _of_a_version(given: _StoredSettings, agent: AgentSettingsRow) -> _StoredSettings:
    """Return what is given without the retention, which is the agent's: one person's memory cannot end at two times."""
    if _RETENTION in given and given[_RETENTION] != agent.retention_days:
        raise InvalidInputError("is one for all versions", field=_RETENTION, advice="configure it without version=")
    return cast("_StoredSettings", {name: value for name, value in given.items() if name != _RETENTION})


def _only(key: str, value: object, place: str) -> object:
    """Return the value of the one key that a mapping is to have."""
    mapping = _known(place, value, (key,))
    if key not in mapping:
        raise InvalidInputError(
            f"has no {key!r}", field=place, advice="the document is {'memory': {'repeat_caller': {…}}}"
        )
    return mapping[key]


def _known(place: str, value: object, known: tuple[str, ...]) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise InvalidInputError(f"must be a mapping, not {type(value).__name__}", field=place)
    mapping = cast("Mapping[object, object]", value)
    for key in mapping:
        if key not in known:
            raise InvalidInputError(
                f"{key!r} is not a setting", field=place, advice=f"there are {', '.join(sorted(known))}"
            )
    return cast("Mapping[str, object]", mapping)
