"""Every public operation, described once: what a door to the memory is made of.

A door (a command line, REST, MCP, a client in another process) needs of each
operation a name, a sentence, what it takes, what it gives and how it fails. All
of that is read here from the public methods themselves, so that a method that
is added is at every door, and that no door has rules of its own.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Final, Literal, Union, cast, get_args, get_origin, get_type_hints

from docstring_parser import Docstring, DocstringStyle, parse
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    Strict,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    create_model,
)
from pydantic.fields import FieldInfo

from agentmem import errors
from agentmem.bounds import Filled
from agentmem.client.agents import Agents
from agentmem.client.contacts import Contacts
from agentmem.client.conversation import Conversation
from agentmem.client.conversations import Conversations
from agentmem.client.memory import Memory
from agentmem.client.store import AgentMem
from agentmem.contacts.writing import Keep
from agentmem.errors import AgentMemError, InvalidInputError
from agentmem.records import ConversationTurn
from agentmem.serialization import to_json

Effect = Literal["read", "write", "erase"]
Reach = Literal["tenant", "store"]


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One public operation.

    Args:
        id: Its name, such as `memory.recall`.
        summary: What it does, in a sentence.
        description: The rest of what its method says of itself.
        effect: Whether it only reads, writes, or erases.
        reach: Whose data it is about: the tenant's, or the whole store's.
        arguments: What it takes: a model with the bounds, the defaults and a description of each. It converts nothing:
            what the method would refuse as another type, it refuses too.
        result: What it gives.
        errors: What it raises, and when. Each class has its `status` and its `code`.
        perform: The call itself, given a store and the arguments that were set.
    """

    id: str
    summary: str
    description: str
    effect: Effect
    reach: Reach
    arguments: type[BaseModel]
    result: TypeAdapter[Any]
    errors: Mapping[type[AgentMemError], str]
    perform: Callable[[AgentMem, Mapping[str, Any]], Any]

    def parse(self, given: str | bytes | Mapping[str, Any]) -> BaseModel:
        """Return arguments that were given as JSON text or as its values.

        Raises:
            InvalidInputError: They are not what `arguments` takes. `field` says where, and nothing repeats the value.
        """
        try:
            if isinstance(given, (str, bytes)):
                return self.arguments.model_validate_json(given)
            return self.arguments.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"])) or "arguments"
            raise InvalidInputError(first["msg"][0].lower() + first["msg"][1:], field=place) from None

    def call(self, mem: AgentMem, arguments: BaseModel) -> Any:  # noqa: ANN401 - each has a result of its own
        """Call it on a store.

        Args:
            mem: The store, seen from the tenant whose memory it is.
            arguments: An instance of the model `arguments`; what is not set in it has the method's own default.

        Raises:
            AgentMemError: One of `errors`.
        """
        return self.perform(mem, {name: getattr(arguments, name) for name in arguments.model_fields_set})

    async def acall(self, mem: AgentMem, arguments: BaseModel) -> Any:  # noqa: ANN401 - as above
        """`call`, off the event loop."""
        return await asyncio.to_thread(self.call, mem, arguments)

    def to_json(self, result: object) -> str:
        """Return what it gave as JSON, which `result` reads again."""
        return to_json(result)


IN_PROCESS: Final[Mapping[str, str]] = {
    "open": "it makes the store that every operation is called on",
    "aopen": "it makes the store that every operation is called on",
    "AgentMem.tenant": "whose data it is comes with the store, and never in an argument",
    "AgentMem.client": "an operation on a user's memory takes the user among its arguments",
    "AgentMem.close": "it frees what this process holds",
    "AgentMem.warm_up": "it loads a model into this process",
    "Agents.register": "a compiled graph cannot leave its process",
    "ClientAgents.run": "it runs a graph that was registered in this process",
    "Conversation.add_message": "`conversations.add` does it from any process",
    "Conversation.say": "`conversations.add` does it from any process",
    "Conversation.end": "`conversations.end` does it from any process",
}
"""The public methods that only a process can hold, each with the reason."""

_LOCAL: Final = frozenset({"progress", "checkpointer"})
"""Arguments that are objects of the calling process; from elsewhere an operation is called without them."""

_ANYWHERE: Final[Mapping[type[AgentMemError], str]] = {
    InvalidInputError: "An argument breaks its rule, or the store is closed.",
    errors.BackendError: "The database could not do it.",
}
"""What every operation may raise, where its method says nothing better of it."""

_READS: Final[Mapping[str, Collection[str]]] = {
    "agents": ("get", "list", "list_memories", "metrics"),
    "contacts": ("find", "get", "list", "memory"),
    "conversations": ("find", "get", "ids", "list", "postponed", "resume"),
    "memory": ("find", "get", "history", "list", "list_core", "recall", "recall_trusted"),
    "store": ("changes", "check", "users"),
}
_WHOLE_STORE: Final = frozenset({"store.check", "store.reindex", "store.sweep"})
_ERASES: Final[Mapping[str, Collection[str]]] = {
    "agents": ("delete_memories_by_caller",),
    "contacts": ("delete_entity", "reset"),
    "memory": ("delete", "forget_line"),
    "store": ("forget", "sweep"),
}


def operations() -> dict[str, Operation]:
    """Return every operation by its id; they are made on the first call, and the same ever after.

    >>> recall = operations()["memory.recall"]
    >>> recall.summary
    'Search archival memory.'
    >>> recall.arguments.model_json_schema()["properties"]["limit"]["maximum"]
    50
    >>> found = recall.call(mem, recall.arguments(user_id="ada", query="tea"))
    >>> recall.to_json(found)
    '[]'
    """
    return {one.id: one for one in _every()}


def public_methods(holder: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the public methods of a class, its async twins excepted."""
    for name, method in vars(holder).items():
        if not name.startswith("_") and inspect.isfunction(method) and not _is_twin(holder, name):
            yield name, method


@dataclass(frozen=True, slots=True)
class _Noun:
    """What operations hang off.

    Args:
        word: How their ids begin.
        holder: The class whose methods they are.
        find: The object to call, given a store and the arguments, those that are its own taken out.
        own: Arguments that say which object it is.
    """

    word: str
    holder: type
    find: Callable[[AgentMem, dict[str, Any]], Any]
    own: Mapping[str, tuple[Any, Any]]


def _memory(mem: AgentMem, given: dict[str, Any]) -> Memory:
    named = {name: given.pop(name) for name in ("actor", "respect_read_only") if name in given}
    return mem.client(given.pop("user_id"), **named).memory


def _conversation(mem: AgentMem, given: dict[str, Any]) -> Conversation:
    return mem.conversations.resume(given.pop("conversation_id"))


def _said(text: str, default: Any = ...) -> Any:  # noqa: ANN401 - a default of any type
    return Field(default, description=text)


_NOUNS: Final = (
    _Noun(
        "memory",
        Memory,
        _memory,
        {
            "user_id": (Filled, _said("The person, as opaque text.")),
            "actor": (Filled, _said("Who writes, as history will say.", "operator")),
            "respect_read_only": (
                bool,
                _said("Refuse to change blocks marked read_only, as the model's tools do.", default=False),
            ),
        },
    ),
    _Noun("contacts", Contacts, lambda mem, _: mem.contacts, {}),
    _Noun("conversations", Conversations, lambda mem, _: mem.conversations, {}),
    _Noun(
        "conversations",
        Conversation,
        _conversation,
        {"conversation_id": (Filled, _said("An open conversation."))},
    ),
    _Noun("agents", Agents, lambda mem, _: mem.agents, {}),
    _Noun("store", AgentMem, lambda mem, _: mem, {}),
)


@cache
def _every() -> tuple[Operation, ...]:
    found = (_operation(noun, name, method) for noun in _NOUNS for name, method in public_methods(noun.holder))
    return tuple(one for one in found if one is not None)


def _operation(noun: _Noun, name: str, method: Callable[..., Any]) -> Operation | None:
    """Return the operation that a method is; None for one that only a process can hold."""
    if f"{noun.holder.__name__}.{name}" in IN_PROCESS:
        return None
    told = parse(inspect.getdoc(method) or "", style=DocstringStyle.GOOGLE)
    hints = get_type_hints(method, include_extras=True)
    id_ = f"{noun.word}.{name}"

    def perform(mem: AgentMem, arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401 - each has a result of its own
        given = dict(arguments)
        return _told(method(noun.find(mem, given), **given))

    return Operation(
        id=id_,
        summary=_joined(told.short_description),
        description=_without_examples(told.long_description or ""),
        effect=_effect(noun.word, name),
        reach="store" if id_ in _WHOLE_STORE else "tenant",
        arguments=_arguments(noun, name, method, hints, told),
        result=TypeAdapter(_result_type(hints["return"])),
        errors=types.MappingProxyType(_errors(told)),
        perform=perform,
    )


def _effect(word: str, name: str) -> Effect:
    if name in _READS[word]:
        return "read"
    return "erase" if name in _ERASES.get(word, ()) else "write"


_STRICT: Final = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def _arguments(
    noun: _Noun, name: str, method: Callable[..., Any], hints: Mapping[str, Any], told: Docstring
) -> type[BaseModel]:
    about = {one.arg_name: _joined(one.description) for one in told.params}
    fields: dict[str, Any] = dict(noun.own)
    for parameter in list(inspect.signature(method).parameters.values())[1:]:
        if parameter.name not in _LOCAL:
            fields[parameter.name] = (_taken(hints[parameter.name]), _field(parameter, about.get(parameter.name)))
    title = f"{noun.word.title()}{name.title().replace('_', '')}Arguments"
    return create_model(title, __config__=_STRICT, **fields)


def _field(parameter: inspect.Parameter, description: str | None) -> FieldInfo:
    default = parameter.default
    if default is inspect.Parameter.empty:
        default = ...
    elif isinstance(default, Keep):  # left out, it keeps what is there
        default = None
    return cast("FieldInfo", Field(default, description=description or None))


def _taken(hint: Any) -> Any:  # noqa: ANN401 - any annotation
    """Return a type as JSON can give it: a time as text, several as a list, and nothing for what only Python has."""
    if get_origin(hint) in {Union, types.UnionType}:
        parts = [part for part in get_args(hint) if part is not Keep]
        if any(map(is_dataclass, parts)):  # its fields are an object in JSON, and no mapping is another one beside it
            parts = [part for part in parts if get_origin(part) is not Mapping]
        if datetime in parts:
            parts = [_Moment, *(part for part in parts if part not in {datetime, str})]
        return Union[tuple(map(_taken, parts))]  # noqa: UP007 - made of a list
    if get_origin(hint) is Iterable:
        return Sequence[_taken(get_args(hint)[0])]  # type: ignore[misc] # made of what is given
    return _Moment if hint is datetime else hint


_Moment = Annotated[Annotated[datetime, Strict()] | str, WithJsonSchema({"type": "string", "format": "date-time"})]


def _result_type(hint: Any) -> Any:  # noqa: ANN401 - any annotation
    return ConversationTurn if hint is Conversation else hint


def _told(result: Any) -> Any:  # noqa: ANN401 - any result
    """Return a result as a value; what holds a conversation is told as the turn that it is in."""
    if not isinstance(result, Conversation):
        return result
    return ConversationTurn(
        result.id, result.caller_identity, result.memory.fields(), cast("dict[str, JsonValue]", dict(result.state))
    )


def _errors(told: Docstring) -> dict[type[AgentMemError], str]:
    """Return when each error is raised: as the method says, and what is true of every one."""
    said = {getattr(errors, one.type_name or ""): _joined(one.description) for one in told.raises}
    return {**said, **{error: when for error, when in _ANYWHERE.items() if error not in said}}


def _joined(text: str | None) -> str:
    return " ".join((text or "").split())


def _without_examples(text: str) -> str:
    """Return a description without the paragraphs that are Python's."""
    paragraphs = re.split(r"\n\s*\n", text)
    return "\n\n".join(_joined(one) for one in paragraphs if not one.lstrip().startswith(">>>"))


def _is_twin(holder: type, name: str) -> bool:
    return name.startswith("a") and hasattr(holder, name[1:])
