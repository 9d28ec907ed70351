"""What every command is told: whose memory it is about, and how to answer."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, Final, ParamSpec, Protocol

import typer
from typer.core import TyperCommand

import agentmem
from agentmem.cli.output import notice, one_line
from agentmem.errors import NotFoundError
from agentmem.settings import DATABASE_FILE, load

if TYPE_CHECKING:
    from agentmem.client.memory import Memory
    from agentmem.client.store import AgentMem

P = ParamSpec("P")

DEFAULT: Final = "default"
INTERRUPTED: Final = 130
"""The exit code after Ctrl-C."""

_DASHED: Final = re.compile(r"-+\s")
_TYPEABLE: Final = 300
_PANEL: Final = "Whose memory, and how to answer (before or after the command)"


class Opener(Protocol):
    """What opens a store: `agentmem.open`, or a stand-in of it."""

    def __call__(self, path: Path | None = None, *, tenant_id: str = ..., **options: Any) -> AgentMem:
        """Open the store in a folder: `model` names a chat model, the other options are those of `agentmem.open`."""
        ...


def open_store(
    path: Path | None = None, *, tenant_id: str = DEFAULT, model: str | None = None, **options: Any
) -> AgentMem:
    """`agentmem.open`, which is loaded when a command first needs a store, with the chat model of a name."""
    if model is None:
        return agentmem.open(path, tenant_id=tenant_id, **options)
    # LangChain takes most of a second to import, and only a named model needs it.
    from agentmem.cli.agent import chat_model  # noqa: PLC0415

    return agentmem.open(path, tenant_id=tenant_id, chat_model=chat_model(model), **options)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the command line.

    Args:
        argv: The words that were typed.
        opener: What opens the store.
        home: The store's folder, `None` for the one of the settings.
        tenant: The account.
        user: The person who was named, `None` for the default one.
        agent: The agent, `None` for what all of the user's agents share.
        json: Whether to answer in JSON.
    """

    argv: tuple[str, ...] = ()
    opener: Opener = open_store
    home: Path | None = None
    tenant: str = DEFAULT
    user: str | None = None
    agent: str | None = None
    json: bool = False

    @classmethod
    def begin(cls, argv: tuple[str, ...], opener: Opener) -> Call:
        """A call as the environment has it, before any option."""
        env = os.environ
        return cls(
            argv=argv,
            opener=opener,
            tenant=env.get("AGENTMEM_TENANT") or DEFAULT,
            user=env.get("AGENTMEM_USER") or None,
            agent=env.get("AGENTMEM_AGENT") or None,
        )

    def store(self, **options: object) -> AgentMem:
        """Open the store; it is made when there is none."""
        new = self._folder_without_store()
        mem = self.opener(self.home, tenant_id=self.tenant, **options)
        if new is not None:
            notice(f"A new, empty store was made in {new}.")
        return mem

    def existing_store(self, **options: object) -> AgentMem:
        """Open the store, for a command that is about what is in it; nothing is made.

        Raises:
            NotFoundError: There is no store.
        """
        folder = self._folder_without_store()
        if folder is None:
            return self.store(**options)
        error = NotFoundError(
            f"there is no store in {folder}", field="home", advice="name another folder with --home or AGENTMEM_HOME"
        )
        error.add_note(f"begin one there:  {self.line('remember', 'Something worth keeping')}")
        error.add_note(f"see one at work:  {program()} demo")
        raise error

    def memory(self, mem: AgentMem) -> Memory:
        """Return the user's memory in an opened store."""
        return mem.client(user_id=self.user_id).memory

    @property
    def user_id(self) -> str:
        """The person it is about."""
        return DEFAULT if self.user is None else self.user

    @property
    def whose(self) -> str:
        """Whose memory, for a sentence."""
        parts = [f"user {one_line(self.user_id, limit=40)}"]
        if self.agent is not None:
            parts.append(f"agent {one_line(self.agent, limit=40)}")
        if self.tenant != DEFAULT:
            parts.append(f"tenant {one_line(self.tenant, limit=40)}")
        return ", ".join(parts)

    @property
    def options(self) -> list[str]:
        """The options that say the same of another call."""
        told = {"--home": self.home, "--tenant": self.tenant, "--user": self.user, "--agent": self.agent}
        return [
            word
            for name, value in told.items()
            if value is not None and value != DEFAULT
            for word in (name, str(value))
        ]

    def line(self, *words: str) -> str:
        """Return a command line about the same memory, to be typed as it stands."""
        return f"{program()} {shlex.join([*words, *self.options])}"

    def _folder_without_store(self) -> Path | None:
        """Return the folder in which a store would have to be made; `None` when it is there, or is elsewhere."""
        settled = load() if self.home is None else load(home=self.home, database_url=None)  # as `agentmem.open` has it
        folder = settled.home.expanduser().absolute()
        return None if settled.database_url is not None or _is_there(folder / DATABASE_FILE) else folder


def program() -> str:
    """Return how this program is started from here."""
    started = Path(sys.argv[0])
    if started.stem != "agentmem":
        return shlex.join([_near(Path(sys.executable)), "-m", "agentmem.cli"])
    found = shutil.which("agentmem")
    if found is not None and Path(found).resolve() == started.resolve():
        return "agentmem"
    return shlex.quote(_near(started))


def typeable(line: str) -> bool:
    """Return whether a command line can be shown to be typed: not too long, and nothing in it that hides."""
    return len(line) <= _TYPEABLE and line.isprintable()


class TextCommand(TyperCommand):
    """A command that knows "- Likes tea", a dash and a blank, for a text and not for an option."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # Typer's own context
        """Parse, with such texts put behind `--`; here a text is always the last argument."""
        if "--" not in args:
            flags = {name for each in self.params for name in each.opts if getattr(each, "is_flag", False)}
            flags |= {name for each in self.params for name in each.secondary_opts}
            before = [None, *args]
            texts = [
                position
                for position, word in enumerate(args)
                if _DASHED.match(word) and not _takes_value(before[position], flags)
            ]
            if texts:
                others = [word for position, word in enumerate(args) if position not in texts]
                args = [*others, "--", *(args[position] for position in texts)]
        return super().parse_args(ctx, args)


def command(function: Callable[Concatenate[Call, P], None]) -> Callable[..., None]:
    """Give a command the options that every command has, and its `Call` in place of them."""

    def run(call: Call, _context: typer.Context, given: dict[str, Any]) -> None:
        function(call, **given)  # type: ignore[call-arg]  # Typer keeps to the signature

    return _with_options(function, run)


def group(function: Callable[Concatenate[Call, P], None]) -> Callable[..., None]:
    """`command` for a group: what is given before its command holds for the command; alone it shows its help."""

    def run(call: Call, context: typer.Context, given: dict[str, Any]) -> None:
        function(call, **given)  # type: ignore[call-arg]  # Typer keeps to the signature
        context.obj = call
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())
            raise typer.Exit

    return _with_options(function, run)


def examples(*lines: str) -> str:
    """Return the end of a help text."""
    return "\n".join(["[bold]Examples[/bold]", *(f"  {line}" for line in lines)])


_OPTIONS: Final[dict[str, Any]] = {
    "home": Annotated[
        Path | None,
        typer.Option(
            "--home",
            metavar="FOLDER",
            help="The folder of the store; else $AGENTMEM_HOME, else .agentmem here.",
            rich_help_panel=_PANEL,
        ),
    ],
    "tenant": Annotated[
        str | None,
        typer.Option(
            "--tenant",
            metavar="ID",
            help='The account it belongs to; else $AGENTMEM_TENANT, else "default".',
            rich_help_panel=_PANEL,
        ),
    ],
    "user": Annotated[
        str | None,
        typer.Option(
            "--user",
            metavar="ID",
            help='The person it is about; else $AGENTMEM_USER, else "default".',
            rich_help_panel=_PANEL,
        ),
    ],
    "agent": Annotated[
        str | None,
        typer.Option(
            "--agent",
            metavar="ID",
            help="The agent whose own memory it is; else $AGENTMEM_AGENT, else what all agents share.",
            rich_help_panel=_PANEL,
        ),
    ],
    "json": Annotated[
        bool,
        typer.Option(
            "--json", metavar="", help="Answer in JSON on stdout, errors in JSON on stderr.", rich_help_panel=_PANEL
        ),
    ],
}


def _with_options(
    function: Callable[..., None], run: Callable[[Call, typer.Context, dict[str, Any]], None]
) -> Callable[..., None]:
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    keyword = inspect.Parameter.KEYWORD_ONLY
    context = inspect.Parameter("context", keyword, annotation=typer.Context)
    shared = [
        inspect.Parameter(name, keyword, annotation=annotation, default=False if name == "json" else None)
        for name, annotation in _OPTIONS.items()
    ]
    parameters = [context, *(each.replace(kind=keyword) for each in own), *shared]

    @wraps(function)
    def typed(context: typer.Context, **given: Any) -> None:
        told = {name: value for name in _OPTIONS if (value := given.pop(name)) not in {None, False}}
        run(replace(context.obj, **told), context, given)

    typed.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what Typer reads
    typed.__doc__ = _flowing(function.__doc__ or "")
    typed.__annotations__ = {each.name: each.annotation for each in parameters}
    return typed


def _flowing(doc: str) -> str:
    """Return a docstring with one line for each paragraph, to be broken where the terminal wants it."""
    paragraphs = inspect.cleandoc(doc).replace("`", "").split("\n\n")
    return "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)


def _takes_value(word: str | None, flags: set[str]) -> bool:
    return word is not None and word.startswith("-") and word not in flags and "=" not in word and " " not in word


def _is_there(file: Path) -> bool:
    try:
        return file.exists()
    except OSError:
        return True  # opening it will say what is in the way


def _near(path: Path) -> str:
    """A path as it is best typed from here: relative when it lies below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
