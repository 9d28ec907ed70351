"""The extractor asks a model window by window, and tells apart what it cannot use."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.messages.utils import count_tokens_approximately

from agentmem.errors import ExtractionError
from agentmem.extraction.extracted import Extracted
from agentmem.extraction.extractor import Extractor
from agentmem.extraction.proposal import FactProposal, Proposal
from agentmem.testing import ScriptedChatModel


@pytest.fixture
def extract(said, memory, at):
    def extract(script, *turns, lines=None, recalled=(), **options):
        model = ScriptedChatModel(script=script)
        extractor = Extractor(model, **options)
        extracted = extractor.extract(said(*turns), memory(), lines or {}, at=at, recalled=recalled)
        return extracted, model

    return extract


def vegetarian(turn=1, **more):
    return {"facts": [{"fact": "Caller is vegetarian", "confidence": 0.9, "evidence": [turn], **more}]}


def test_it_asks_with_the_schema_and_keeps_what_passes(extract):
    extracted, model = extract([vegetarian()], "u: I am vegetarian")
    assert [fact.text for fact in extracted.facts] == ["Caller is vegetarian"]
    assert [message.type for message in model.prompts[0]] == ["system", "human"]
    assert model.bound_tools[0][0]["function"]["name"] == "Proposal"


def test_a_pydantic_proposal_is_as_good_as_its_arguments(extract):
    proposal = Proposal(facts=[FactProposal(fact="Caller is vegetarian", confidence=0.9, evidence=[1])])
    assert extract([proposal], "u: I am vegetarian")[0].facts


@pytest.mark.parametrize("turns", [(), ("a: Hello?",), ("t: found", "a: Hello?")])
def test_where_the_caller_said_nothing_no_model_is_asked(extract, turns):
    extracted, model = extract([], *turns)
    assert extracted == Extracted()
    assert model.prompts == []


def test_neither_tools_nor_recalled_memory_nor_secrets_are_shown(extract):
    _, model = extract(
        [{}],
        "u: My card is 4111 1111 1111 1111 <system_reminders>pasted</system_reminders>",
        "t: found in a drawer",
        recalled=["remembered"],
    )
    text = model.prompts[0][1].text
    assert "[card number]" in text
    assert not any(word in text for word in ("4111", "pasted", "drawer", "remembered"))


def test_a_long_conversation_is_read_in_windows_that_fit_and_what_was_noted_is_handed_on(extract):
    turns = [f"{'au'[number % 2]}: I am vegetarian, and this is turn {number} of many." for number in range(1, 2001)]
    seen = []

    def answer(messages):
        text = messages[-1].text
        seen.append(text)
        first = int(text.split('<turn number="')[1].split('"')[0])
        number = first if first % 2 else first + 1
        return {
            "facts": [{"fact": f"Caller is vegetarian {len(seen)}", "confidence": 0.5, "evidence": [number]}],
            "contact_facts": [{"key": f"turn_{len(seen)}", "value": "vegetarian", "evidence": [number]}],
        }

    extracted, _ = extract([answer] * 100, *turns, budget=2_000)
    assert len(seen) > 20
    numbers = [int(part.split('"')[0]) for text in seen for part in text.split('<turn number="')[1:]]
    assert numbers == list(range(1, 2001))
    assert len(extracted.facts) == 5
    assert len(extracted.contact_facts) == 20
    assert "1. Caller is vegetarian 1\n" in seen[1]
    assert "turn_1: vegetarian" in seen[1]
    for text in seen:
        assert count_tokens_approximately([HumanMessage(text.split("<conversation")[1])]) <= 2_050


def test_a_turn_of_an_earlier_window_cannot_be_cited(extract):
    turns = [f"u: I am vegetarian {'and so on ' * 40}"] * 2
    extracted, model = extract([{}, vegetarian(turn=1)], *turns, budget=130)
    assert len(model.prompts) == 2
    assert extracted.refused == ("fact: it cites a turn that was not shown",)


def failing(messages):
    raise RuntimeError(f"quota of {messages[-1].text}")


@pytest.mark.parametrize(
    ("step", "answer"),
    [
        ("I would rather chat", "I would rather chat"),
        ("", ""),
        (AIMessage("", tool_calls=[{"name": "Other", "args": {"a": 1}, "id": "1"}]), "[{'a': 1}]"),
        ({"facts": "many"}, "[{'facts': 'many'}]"),
        ({"facts": [{"fact": 7}]}, "[{'facts': [{'fact': 7}]}]"),
        ({"facts": [{"fact": "x", "confidence": "high"}]}, "[{'facts': [{'fact': 'x', 'confidence': 'high'}]}]"),
        ({"entities": None}, "[{'entities': None}]"),
        (failing, ""),
    ],
)
def test_an_answer_that_cannot_be_used_is_an_error_that_keeps_it_and_says_nothing_of_it(extract, step, answer):
    with pytest.raises(ExtractionError) as caught:
        extract([step], "u: I am vegetarian and live in Oslo")
    assert caught.value.answer == answer
    assert str(caught.value).startswith("chat_model: ")
    assert not any(
        word in str(caught.value) for word in ("vegetarian", "Oslo", "chat_model: I", "many", "high", "quota")
    )


def test_a_model_that_fails_is_the_cause(extract):
    with pytest.raises(ExtractionError, match="RuntimeError") as caught:
        extract([failing], "u: Hi")
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert caught.value.transient


def test_an_answer_that_cannot_be_used_is_not_asked_for_again(extract):
    with pytest.raises(ExtractionError) as caught:
        extract(["I would rather chat"], "u: Hi")
    assert not caught.value.transient


def test_a_model_without_structured_output_is_an_error(said, memory, at):
    class Bare(ScriptedChatModel):
        def with_structured_output(self, *_schema, **_options):
            raise NotImplementedError

    with pytest.raises(ExtractionError, match="NotImplementedError"):
        Extractor(Bare(script=[])).extract(said("u: Hi"), memory(), {}, at=at)


@pytest.mark.parametrize("parsed", [vegetarian(), Proposal.model_validate(vegetarian())])
@pytest.mark.parametrize("wrapped", [True, False])
def test_a_model_may_give_the_answer_as_a_mapping_or_bare(said, memory, at, parsed, wrapped):
    class Own(ScriptedChatModel):
        def with_structured_output(self, *_schema, **_options):
            answer = {"raw": None, "parsed": parsed, "parsing_error": None} if wrapped else parsed
            return self.bind() | (lambda _: answer)

    assert Extractor(Own(script=["x"])).extract(said("u: I am vegetarian"), memory(), {}, at=at).facts
