"""The steps of the demo: each does something with the public API, shows it, and checks that it happened."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Self

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage, ToolMessage
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agentmem.cli.agent import Prompts, build_agent, chat_model, typed
from agentmem.cli.output import one_line, printable, row, table, waiting
from agentmem.errors import AgentMemError, ConflictError
from agentmem.models import Line, MemoryBlock, MemoryRecallResult, RunResult
from agentmem.policy import MemoryPolicy, RunOptions
from agentmem.settings import Settings
from agentmem.testing.stand_in import WHAT_IT_IS

if TYPE_CHECKING:
    from rich.console import Console

    from agentmem.cli.call import Call

_SECONDS: Final = 300
_SHOWN: Final = 3


class DemoFailedError(AgentMemError):
    """A step of the demo did not show what it says."""


@dataclass(frozen=True, slots=True)
class StoryStep:
    """One step: what it is about, and what plays it and tells its facts."""

    title: str
    play: Callable[[], dict[str, Any]]


class Story:
    """The demo's seven steps, on one store that is closed at the end.

    Args:
        call: Whose memory and in which folder; the transcript's user and agent take the place of the call's.
        model: The chat model as `provider:name`, `None` for the scripted one.
        console: Where to show them.
    """

    def __init__(self, call: Call, model: str | None, console: Console) -> None:
        self._script: dict[str, Any] = json.loads((files("agentmem.cli") / "transcript.json").read_text("utf-8"))
        self._user, self._juno = (self._script[who]["name"] for who in ("user", "agent"))
        self._agent_id: str = self._script["agent"]["id"]
        self._call = replace(call, user=self._script["user"]["id"], agent=self._agent_id)
        self._model = model
        self._out = console
        chat = chat_model(model)
        self._mem = self._call.store(scan_below=Settings.model_fields["scan_below"].default)
        self._client = self._mem.client(user_id=self._call.user_id)
        self._prompts = Prompts()
        self._mem.agents.register(self._agent_id, build_agent(self._mem, chat))
        self._answer: RunResult | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._mem.close()

    @property
    def introduction(self) -> str:
        """What is real and what is not."""
        chat = WHAT_IT_IS if self._model is None else f"The chat model is {self._model}."
        return f"{chat} All else is real: the embeddings, SQLite, Chroma and LangGraph."

    @property
    def steps(self) -> list[StoryStep]:
        """The steps, to be played in order."""
        return [
            StoryStep("Two conversations are remembered", self._remember),
            StoryStep("Core memory is in every prompt", self._core),
            StoryStep("The model recalls what it needs", self._recall),
            StoryStep("Or it is reminded, without asking", self._remind),
            StoryStep("Two edits at once: none is lost", self._edit),
            StoryStep("Another process remembers too", self._elsewhere),
            StoryStep("Chroma gives the same answer", self._index),
        ]

    @property
    def to_try(self) -> list[str]:
        """Commands that work on the store when the demo has ended."""
        shared = replace(self._call, agent=None)
        return [
            shared.line("recall", "Who is allergic?"),
            shared.line("blocks", "history", "core"),
            self._call.line("chat"),
        ]

    def _remember(self) -> dict[str, Any]:
        self._tell(f"What {self._user} and {self._juno} said becomes archival memory: lines that are found again.")
        lines = [
            Line(
                turn["text"],
                speaker=turn["speaker"],
                occurred_at=turn["at"],
                conversation_id=talk["id"],
                source="user" if turn["speaker"] == self._user else "assistant",
            )
            for talk in self._script["conversations"]
            for turn in talk["turns"]
        ]
        with waiting("Loading the embedding model…"):
            stored = self._client.memory.remember(lines)
        for block in self._script["core"]:
            self._client.memory.update(
                "core",
                block["content"],
                agent_id=self._agent_id if block["scope"] == "agent" else None,
                description=block["description"],
                expected_updated_at=None,
            )
        shown = table("date", "speaker", "archival memory", whole=("date",))
        for line in (*stored[:_SHOWN], stored[-1]):
            shown.add_row(*row(f"{line.occurred_at:%Y-%m-%d}", line.speaker, one_line(line.content, limit=100)))
        self._out.print(shown)
        live = self._client.memory.get("archival").content.splitlines()
        _claim(live == [line.content for line in lines], "the store does not hold the transcript")
        talks = {line.conversation_id for line in stored}
        self._tell(
            f"… {len(live)} lines of {len(talks)} conversations, with vectors of {self._mem.check().embedder}. "
            f"What should never be out of sight becomes core memory: {len(self._core_blocks())} short blocks."
        )
        return {"lines": len(live), "conversations": len(talks)}

    def _core(self) -> dict[str, Any]:
        self._tell(f"{self._user} asks a question. With it, the model is sent this:")
        self._answer = self._run(self._script["says"]["question"])
        system = self._prompts.sent[0][0]
        _claim(isinstance(system, SystemMessage), "the model received no system message")
        prompt = str(system.text)
        self._show(prompt, "the system message")
        for block in self._core_blocks():
            rendered = "\n".join(f"| {line}" for line in block.content.splitlines())
            _claim(rendered in prompt, f"the {block.scope}'s core block is not in the prompt")
        return {"system_message": prompt}

    def _recall(self) -> dict[str, Any]:
        self._tell(
            "The answer is not in core memory, so the model searches. Whose memory is searched, is not its choice."
        )
        result = self._answer or self._run(self._script["says"]["question"])
        asked, *between, last = _since_user(result.messages)
        answers = [message for message in between if isinstance(message, ToolMessage) and message.name == "recall"]
        _claim(bool(answers), "the model answered without calling recall")
        best = self._client.memory.recall(str(asked.text), agent_id=self._agent_id, limit=1)
        _claim(bool(best) and best[0].content in str(answers[0].text), "recall did not give the model the best match")
        self._say(self._user, str(asked.text))
        for call in (call for message in between for call in getattr(message, "tool_calls", [])):
            self._say("model", typed(call["name"], call["args"]))
        self._show(str(answers[0].text), "the tool's answer")
        self._say(self._juno, str(last.text))
        self._claim_quoted(best, result)
        return {"question": str(asked.text), "tool": str(answers[0].text), "answer": result.text}

    def _remind(self) -> dict[str, Any]:
        self._tell('Under archival_mode="auto" the turn begins with a recall. What it finds stands in the prompt only:')
        policy = MemoryPolicy(archival_mode="auto", archival_limit=_SHOWN)
        before = len(self._prompts.sent)
        result = self._run(self._script["says"]["remark"], policy)
        sent = self._prompts.sent[before]
        reminders = [str(message.text) for message in sent if _is_reminder(message)]
        _claim(len(reminders) == 1 and bool(result.matches), "the model was not reminded of anything")
        _claim(_is_reminder(sent[-2]) and isinstance(sent[-1], HumanMessage), "the reminder is not beside the message")
        self._show(reminders[0], f"hidden, right before {self._user}'s message")
        visible = [message for message in result.messages if isinstance(message, BaseMessage)]
        for message in visible:
            self._say({"human": self._user, "ai": self._juno}.get(message.type, message.type), str(message.text))
        seen = "\n".join(str(message.text) for message in visible)
        _claim("<system_reminders>" not in seen, "the reminder is among the messages of the thread")
        self._claim_quoted(result.matches, result)
        self._tell(f"These are all {len(visible)} messages of the thread: the reminder is in none of them.")
        return {"reminder": reminders[0], "answer": result.text, "matches": result.matches}

    def _edit(self) -> dict[str, Any]:
        self._tell(f"You edit {self._user}'s core memory, and meanwhile the model does too.")
        memory = self._client.memory
        wish, own = self._script["says"]["wish"], self._script["edit"]
        read = memory.get("core")
        self._say("you", f"read version {read.version}")
        result = self._run(wish)
        between = memory.get("core")
        _claim(between.version > read.version, "the model did not write to core memory")
        self._say(self._user, wish)
        self._say("model", f"{_calls(result)}  → version {between.version}")
        self._say("you", f'write version {read.version} with "{own}" added')
        try:
            memory.update("core", f"{read.content}\n{own}", expected_updated_at=read.updated_at)
        except ConflictError as error:
            conflict = error
        else:
            raise DemoFailedError("demo: an edit of an old version was accepted")
        current = conflict.current
        _claim(current == between, "the conflict did not bring the current block")
        self._say("conflict", str(conflict))
        written = memory.update("core", f"{between.content}\n{own}", expected_updated_at=between.updated_at)
        self._say(
            "you", f"write the version that the conflict brought, with the same added  → version {written.version}"
        )
        self._show(written.content, f"core, version {written.version}")
        kept = {*between.content.splitlines(), own}
        _claim(set(memory.get("core").content.splitlines()) == kept, "an edit was lost")
        history = memory.history("core")
        _claim(history[-1].version == written.version, "the history does not end with the last edit")
        told = ", ".join(f"{each.version} {each.action} by {each.actor}" for each in history)
        self._tell(f"Its history: {told}.")
        return {"conflict": str(conflict), "core": written, "history": history}

    def _elsewhere(self) -> dict[str, Any]:
        self._tell("A new process opens the folder and asks the same agent. All it knows is what was stored.")
        question = self._script["says"]["later"]
        turn, pid = self._ask_elsewhere(question)
        tools = [tool for tool in turn["tools"] if tool["name"] == "recall"]
        _claim(bool(tools), "the model in the other process answered without calling recall")
        best = self._client.memory.recall(question, agent_id=self._agent_id, limit=1)
        _claim(bool(best) and best[0].content in tools[0]["answer"], "the other process did not find the best match")
        self._say("process", str(pid))
        self._say(self._user, question)
        self._say(self._juno, turn["text"])
        if self._model is None:
            _claim(best[0].content in turn["text"], "the answer of the other process is not what the memory says")
        return {"question": question, "answer": turn["text"], "pid": pid}

    def _index(self) -> dict[str, Any]:
        query = self._script["says"]["search"]
        self._tell(
            f"Up to {self._mem.settings.scan_below:,} lines of a user are compared one by one; for more, "
            "Chroma and the question's words propose, and SQL confirms. Here both are asked: "
            f"recall({json.dumps(query, ensure_ascii=False)})"
        )
        with waiting("Filling the index…"), self._call.store(scan_below=0) as large:
            through = large.client(user_id=self._call.user_id).memory.recall(query, limit=3, min_score=0, explain=True)
        scanned = self._client.memory.recall(query, limit=3, min_score=0, explain=True)
        shown = table("scan", "Chroma", "memory", right=("scan", "Chroma"))
        for one, other in zip(scanned, through, strict=False):
            shown.add_row(*row(f"{one.score:.6f}", f"{other.score:.6f}", one_line(one.content, limit=100)))
        self._out.print(shown)
        _claim(_answered_by(scanned) == {"scan"}, "the first answer is not the exact scan's")
        _claim(_answered_by(through) == {"chroma"}, "the second answer is not Chroma's")
        same = [(match.id, match.score) for match in scanned] == [(match.id, match.score) for match in through]
        _claim(same, "Chroma gave other matches or scores than the exact scan")
        return {"query": query, "matches": through}

    def _core_blocks(self) -> list[MemoryBlock]:
        blocks = self._client.memory.list(scope="all", agent_id=self._agent_id)
        return [block for block in blocks if block.block_type != "archival"]

    def _ask_elsewhere(self, question: str) -> tuple[dict[str, Any], int]:
        words = ["chat", question, "--json", *(["--model", self._model] if self._model else []), *self._call.options]
        with (
            waiting("Another process starts…"),
            subprocess.Popen(  # noqa: S603 - this program itself
                [sys.executable, "-m", "agentmem.cli", *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
            ) as process,
        ):
            try:
                out, err = process.communicate(timeout=_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise DemoFailedError(f"demo: the other process did not answer within {_SECONDS} s") from None
        _claim(process.returncode == 0, f"the other process failed: {one_line(err.strip(), limit=300)}")
        turn: dict[str, Any] = json.loads(out)
        return turn, process.pid

    def _run(self, message: str, policy: MemoryPolicy | None = None) -> RunResult:
        with waiting("The agent is thinking…"):
            return self._client.agents.run(
                self._agent_id,
                message,
                options=RunOptions(memory_policy=policy or MemoryPolicy()),
                config={"callbacks": [self._prompts]},
            )

    def _claim_quoted(self, matches: Sequence[MemoryRecallResult], result: RunResult) -> None:
        """The scripted model quotes what it was shown; a real one says it in its own words."""
        if self._model is None:
            _claim(matches[0].content in result.text, "the answer is not what the memory says")

    def _say(self, who: str, words: str) -> None:
        line = Table.grid(padding=(0, 1))
        line.add_column(style="bold", width=8, no_wrap=True)
        line.add_column(overflow="fold")
        line.add_row(Text(who), Text(printable(words)))
        self._out.print(line)

    def _tell(self, words: str) -> None:
        self._out.print(Text(words, style="dim"))

    def _show(self, text: str, title: str) -> None:
        self._out.print(Panel(Text(printable(text)), title=Text(title), title_align="left", border_style="dim"))


def _claim(holds: bool, otherwise: str) -> None:
    if not holds:
        raise DemoFailedError(f"demo: {otherwise}")


def _since_user(messages: Sequence[Any]) -> list[BaseMessage]:
    """Return the last turn of a thread, from what the user said."""
    said = max(place for place, message in enumerate(messages) if isinstance(message, HumanMessage))
    return list(messages[said:])


def _is_reminder(message: BaseMessage) -> bool:
    return message.additional_kwargs.get("lc_source") == "agentmem"


def _calls(result: RunResult) -> str:
    turn = _since_user(result.messages)
    return ", ".join(
        typed(call["name"], call["args"]) for message in turn for call in getattr(message, "tool_calls", [])
    )


def _answered_by(matches: Sequence[MemoryRecallResult]) -> set[str]:
    return {match.explanation.answered_by for match in matches if match.explanation}
