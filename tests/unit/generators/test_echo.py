"""The reference generator, by the rule that its module states."""

from __future__ import annotations

import math

import pytest

import embedkit
from embedkit.generators.echo import EchoGenerator
from embedkit.types import Message, Token

PROMPT = "one two three four five"


def texts(prompt: str = PROMPT, **options: object) -> list[str]:
    return [one.text for one in EchoGenerator().generate(prompt, **options)]  # type: ignore[arg-type]


def test_a_setting_names_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert embedkit.generator().model_id.startswith("smollm:")
    monkeypatch.setenv("EMBEDKIT_GENERATOR", "echo")
    assert embedkit.generator().model_id == "echo"


def test_the_first_candidate_says_the_prompt() -> None:
    (candidate,) = EchoGenerator().generate(PROMPT)
    assert candidate.text == PROMPT
    assert candidate.finish_reason == "stop"
    assert (candidate.prompt_tokens, candidate.completion_tokens) == (5, 5)


def test_blanks_between_words_stay() -> None:
    assert texts(" one\n\ttwo ") == ["one\n\ttwo"]


def test_others_shuffle_its_words() -> None:
    candidates = texts(n=4, seed=7)
    assert all(sorted(one.split()) == sorted(PROMPT.split()) for one in candidates)
    assert len(set(candidates)) == 4
    assert candidates[:2] == texts(n=2, seed=7)
    assert candidates != texts(n=4, seed=8)


def test_no_temperature_shuffles_nothing() -> None:
    assert texts(n=3, seed=7, temperature=0) == [PROMPT] * 3


def test_only_the_last_message_is_said_again() -> None:
    turns = [Message("system", "Be brief."), Message("user", "red blue")]
    (candidate,) = EchoGenerator().generate(turns)
    assert candidate.text == "red blue"
    assert candidate.prompt_tokens == 4


def test_a_limit_cuts_after_words() -> None:
    (cut,) = EchoGenerator().generate(PROMPT, max_tokens=2)
    assert (cut.text, cut.finish_reason, cut.completion_tokens) == ("one two", "length", 2)
    (whole,) = EchoGenerator().generate(PROMPT, max_tokens=5)
    assert (whole.text, whole.finish_reason) == (PROMPT, "stop")


@pytest.mark.parametrize(
    ("stop", "left"),
    [(["three"], "one two "), (["four", "o"], ""), (["ree f"], "one two th"), (["six"], PROMPT)],
)
def test_a_stop_sequence_cuts_before_it(stop: list[str], left: str) -> None:
    (cut,) = EchoGenerator().generate(PROMPT, stop=stop, logprobs=True)
    assert cut.text == left
    assert cut.finish_reason == "stop"
    assert "".join(token.text for token in cut.tokens or ()) == left


def test_a_stop_sequence_comes_before_the_limit() -> None:
    (cut,) = EchoGenerator().generate(PROMPT, stop=["three"], max_tokens=1)
    assert (cut.text, cut.finish_reason) == ("one", "length")


def test_the_next_word_is_one_of_those_left() -> None:
    (candidate,) = EchoGenerator().generate("one two three", logprobs=True)
    assert candidate.tokens == (
        Token("one", -math.log(3)),
        Token(" two", -math.log(2)),
        Token(" three", 0.0),
    )
