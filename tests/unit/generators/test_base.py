"""What every generator refuses, and what it is held to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from embedkit.errors import EmbeddingError, InvalidInputError, UnsupportedOperationError
from embedkit.generators.base import BaseGenerator, Sampling
from embedkit.types import Candidate, Message, Token


class Scripted(BaseGenerator):
    """Says what it was given, and remembers what it was asked."""

    model_id = "scripted"
    supports: ClassVar[frozenset[str]] = frozenset({"temperature", "stop", "logprobs"})
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {"temperature": (0.5, 1)}
    most_stops = 2

    def __init__(self, *candidates: Candidate) -> None:
        self.candidates = list(candidates or [Candidate("yes", "stop")])
        self.asked: list[tuple[list[Message], Sampling]] = []

    def _generate(self, messages: list[Message], sampling: Sampling) -> list[Candidate]:
        self.asked.append((messages, sampling))
        return self.candidates


def test_a_text_is_one_message_of_a_user() -> None:
    generator = Scripted()
    generator.generate("Who?", temperature=1, stop=["."])
    assert generator.asked == [([Message("user", "Who?")], Sampling(temperature=1, stop=(".",)))]


@pytest.mark.parametrize(
    ("prompt", "naming"),
    [
        ("", "empty"),
        ([], "no messages"),
        (7, "int"),
        ([Message("user", "a"), Message("system", "b")], "system"),
        ([{"role": "user", "content": "a"}], "Message"),
        ([Message("user", None)], "Message"),  # type: ignore[arg-type]
        ([Message("user", " ")], "empty"),
    ],
)
def test_what_is_no_prompt_is_refused(prompt: Any, naming: str) -> None:
    generator = Scripted()
    with pytest.raises(InvalidInputError, match=naming):
        generator.generate(prompt)
    assert generator.asked == []


def test_the_bounds_are_the_backends_own() -> None:
    generator = Scripted()
    with pytest.raises(
        InvalidInputError, match=r"temperature to be a number from 0\.5 to 1, got 2"
    ):
        generator.generate("Who?", temperature=2)
    with pytest.raises(InvalidInputError, match="at most 2 stop sequences"):
        generator.generate("Who?", stop=["a", "b", "c"])
    assert generator.asked == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "1", True])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInputError, match="temperature"):
        Scripted().generate("Who?", temperature=value)


def test_what_is_not_honoured_is_refused_with_what_is() -> None:
    generator = Scripted()
    with pytest.raises(UnsupportedOperationError) as refused:
        generator.generate("Who?", top_k=3, seed=0, temperature=1)
    assert str(refused.value) == (
        "scripted does not know top_k, seed; leave it out; it honours: temperature, stop, logprobs"
    )
    assert generator.asked == []


def test_as_many_candidates_as_were_asked_for() -> None:
    with pytest.raises(EmbeddingError, match="expected 2 candidates from scripted, got 1"):
        Scripted().generate("Who?", n=2)


def test_tokens_come_only_when_asked_for() -> None:
    generator = Scripted(Candidate("yes", "stop", tokens=(Token("yes", -0.1),)))
    assert generator.generate("Who?")[0].tokens is None
    assert generator.generate("Who?", logprobs=True)[0].tokens == (Token("yes", -0.1),)


def test_a_log_probability_that_is_no_number_is_noticed() -> None:
    generator = Scripted(Candidate("yes", "stop", tokens=(Token("yes", math.nan),)))
    with pytest.raises(EmbeddingError, match="not finite"):
        generator.generate("Who?", logprobs=True)
