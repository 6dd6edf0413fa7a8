from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from embedkit import generator
from embedkit.errors import (
    CredentialsError,
    InvalidInputError,
    RejectedError,
    UnavailableError,
    UnsupportedOperationError,
)
from embedkit.generators.base import BaseGenerator, Sampling
from embedkit.prompts.files import parse_template
from embedkit.prompts.ledger import AnswerLedger
from embedkit.prompts.running import OUTAGE, Answered, Input, Runner
from embedkit.types import Candidate, Message

SAY = parse_template('prompt="{{ text }}"\n[inputs.text]\n[check]\nmax_words = 2\n', "say")


class Counting(BaseGenerator):
    """Says what it is told, but what is listed, and counts."""

    supports = frozenset({"temperature", "seed", "max_tokens", "stop"})
    model_id = "counting"

    def __init__(self, said: dict[str, Any] | None = None) -> None:
        self.said = said or {}
        self.calls: list[str] = []
        self.seeds: list[int | None] = []
        self._lock = threading.Lock()

    def _generate(self, messages: list[Message], sampling: Sampling) -> list[Candidate]:
        text = messages[-1].content
        with self._lock:
            self.calls.append(text)
            self.seeds.append(sampling.seed)
        said = self.said.get(text, text)
        if isinstance(said, list):
            said = said.pop(0)
        if isinstance(said, BaseException):
            raise said
        return [Candidate(said, "stop", 3, 1)]


class Remote(Counting):
    """The same elsewhere: several requests at a time."""

    at_once = 8


def rows(texts: Sequence[str]) -> list[Input]:
    return [Input(line, {"text": text}) for line, text in enumerate(texts, 2)]


def ask(made: Counting, texts: Sequence[str], **options: Any) -> list[Answered]:
    return list(Runner(SAY, made, **options).run(rows(texts)))


@pytest.mark.parametrize("kind", [Counting, Remote])
def test_an_answer_for_each_input_in_order(kind: type[Counting]) -> None:
    texts = [f"text {i}" for i in range(100)]
    found = ask(kind(), texts)
    assert [each.value for each in found] == texts
    assert [each.line for each in found] == list(range(2, 102))
    assert {(each.passed, each.attempts, each.asked, each.prompt_tokens) for each in found} == {
        (True, 1, 1, 3)
    }


def test_what_was_answered_is_not_asked_again(tmp_path: Path) -> None:
    made = Remote()
    first = ask(made, ["a", "b", "a"], ledger=AnswerLedger(tmp_path, "m"))
    assert sorted(made.calls) == ["a", "b"], "equal prompts are one, even at the same time"
    again = ask(made, ["b", "c", "a"], ledger=AnswerLedger(tmp_path, "m"))
    assert sorted(made.calls) == ["a", "b", "c"]
    assert [each.asked for each in again] == [0, 1, 0]
    assert [each.value for each in first] == ["a", "b", "a"]
    assert [each.prompt_tokens for each in again] == [3, 3, 3]
    anew = ask(made, ["a", "a"], ledger=AnswerLedger(tmp_path, "m"), anew=True)
    assert sorted(made.calls) == ["a", "a", "b", "c"]
    assert [each.value for each in anew] == ["a", "a"]


def test_equal_prompts_under_way_are_sent_once(tmp_path: Path) -> None:
    second = threading.Event()

    class Slow(Remote):
        def _generate(self, messages: list[Message], sampling: Sampling) -> list[Candidate]:
            found = super()._generate(messages, sampling)
            if len(self.calls) > 1:
                second.set()
            second.wait(0.2)  # long enough for another thread to ask the same
            return found

    made = Slow()
    found = ask(made, ["a", "a", "a"], ledger=AnswerLedger(tmp_path, "m"))
    assert made.calls == ["a"]
    assert [each.value for each in found] == ["a", "a", "a"]
    assert sum(each.asked for each in found) == 1


def test_other_parameters_are_another_question(tmp_path: Path) -> None:
    made = Counting()
    for parameters in ({}, {"temperature": 0.5}, {"temperature": None}, {"temperature": 0.5}):
        ask(made, ["a"], ledger=AnswerLedger(tmp_path, "m"), parameters=parameters)
    ask(made, ["a"], ledger=AnswerLedger(tmp_path, "m"), seed=1)
    assert len(made.calls) == 3


def test_another_address_of_a_model_is_another_question(tmp_path: Path) -> None:
    class Elsewhere(Counting):
        answers_as = "m elsewhere"

    here, elsewhere = Counting(), Elsewhere()
    ask(here, ["a"], ledger=AnswerLedger(tmp_path, "m"))
    ask(elsewhere, ["a"], ledger=AnswerLedger(tmp_path, "m"))
    assert len(elsewhere.calls) == 1


def test_an_answer_that_fails_its_check_is_listed() -> None:
    (bad, good) = ask(Counting({"a": "far too many words"}), ["a", "b"])
    assert (bad.value, bad.reason) == (None, "4 words, expected at most 2")
    assert bad.text == "far too many words"
    assert good.passed


def test_retries_use_other_seeds_and_cost_what_they_cost(tmp_path: Path) -> None:
    made = Counting({"a": ["far too many words", "", "right"]})
    (found,) = ask(made, ["a"], retries=2, ledger=AnswerLedger(tmp_path, "m"))
    assert (found.value, found.attempts, found.asked, found.prompt_tokens) == ("right", 3, 3, 9)
    assert len(set(made.seeds)) == 3
    (kept,) = ask(made, ["a"], retries=2, ledger=AnswerLedger(tmp_path, "m"))
    assert (kept.value, kept.attempts, kept.asked) == ("right", 3, 0)
    with pytest.raises(InvalidInputError, match="retries"):
        ask(made, ["a"], retries=-1)


def test_one_row_that_fails_does_not_stop_the_others() -> None:
    made = Remote({"b": RejectedError("refused")})
    found = list(
        Runner(SAY, made).run(
            [*rows(["a", "b", "c"]), Input(9, {}), Input(10, {"text": [1]}), Input(11, reason="no")]
        )
    )
    assert [each.passed for each in found] == [True, False, True, False, False, False]
    assert found[1].reason == "the generator failed: refused"
    assert "a value for 'text'" in found[3].reason
    assert "a text for 'text'" in found[4].reason
    assert found[5].reason == "no"
    (blank,) = ask(made, [" \n"])
    assert blank.reason == "there is nothing in 'text'"
    assert " \n" not in made.calls


def test_a_failure_is_no_answer_to_be_kept(tmp_path: Path) -> None:
    made = Remote({"b": [RejectedError("refused"), "b"]})
    assert not ask(made, ["b"], ledger=AnswerLedger(tmp_path, "m"))[0].passed
    assert ask(made, ["b"], ledger=AnswerLedger(tmp_path, "m"))[0].passed


@pytest.mark.parametrize("error", [CredentialsError("no key"), UnsupportedOperationError("no k")])
def test_what_no_row_could_do_better_ends_it(error: Exception, tmp_path: Path) -> None:
    made = Remote({"c": error})
    with pytest.raises(type(error)):
        ask(made, ["a", "b", "c", "d"], ledger=AnswerLedger(tmp_path, "m"))
    made.said = {}
    ask(made, ["a", "b", "c", "d"], ledger=AnswerLedger(tmp_path, "m"))
    assert made.calls.count("a") == made.calls.count("b") == 1


def test_a_service_that_is_down_ends_it_and_a_hiccup_does_not() -> None:
    down = UnavailableError("down")
    found = ask(Counting({"b": down}), ["a", "b", "c"])
    assert [each.passed for each in found] == [True, False, True]
    texts = [str(i) for i in range(20)]
    made = Counting(dict.fromkeys(texts, down))
    with pytest.raises(UnavailableError):
        ask(made, texts)
    assert OUTAGE <= len(made.calls) < 20
    with pytest.raises(UnavailableError):
        Runner(SAY, made).answer_alone(rows(texts)[0])


def test_a_parameter_that_the_generator_does_not_honour_is_an_error() -> None:
    template = parse_template('prompt="{{ text }}"\n[inputs.text]\n[parameters]\ntop_k = 3\n', "x")
    with pytest.raises(UnsupportedOperationError, match="top_k"):
        list(Runner(template, Counting()).run(rows(["a"])))
    runner = Runner(template, Counting(), parameters={"top_k": None})
    assert next(runner.run(rows(["a"]))).passed


def test_echo_answers() -> None:
    found = list(Runner(SAY, generator("echo")).run(rows(["one two", "one two three"])))
    assert [each.passed for each in found] == [True, False]
