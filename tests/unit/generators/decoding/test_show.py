"""Generators show what they choose from, or say that they cannot."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest

import embedkit
from embedkit.errors import InvalidInputError, UnsupportedOperationError
from embedkit.generators.decoding.base import MOST
from embedkit.generators.echo import EchoGenerator
from embedkit.protocols import DecodingGenerator
from embedkit.types import Message

PROMPT = "to be or not to be"


def test_echo_chooses_among_the_words_that_are_left() -> None:
    found = embedkit.show_decoding(PROMPT, "echo")
    assert found.text == PROMPT
    assert (found.model_id, found.prompt, found.finish_reason) == ("echo", PROMPT, "stop")
    assert [step.drawn.text for step in found.steps] == ["to", " be", " or", " not", " to", " be"]
    for place, step in enumerate(found.steps):
        assert step.left == len(step.choices) == 6 - place
        for choice in step.choices:
            assert choice.probability == pytest.approx(1 / (6 - place))
            assert choice.left == pytest.approx(1 / (6 - place))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"seed": 3},
        {"seed": 3, "temperature": 0.5},
        {"seed": 3, "temperature": 0},
        {"seed": 4, "max_tokens": 2},
        {"seed": 5, "stop": ["t"]},
    ],
)
def test_it_is_the_first_candidate_of_its_seed(options: dict[str, Any]) -> None:
    generator = EchoGenerator()
    found = generator.decode(PROMPT, **options)
    candidate = generator.generate(PROMPT, logprobs=True, **options)[0]
    assert candidate.tokens is not None
    assert (found.text, found.finish_reason) == (candidate.text, candidate.finish_reason)
    drawn = [step.drawn for step in found.steps]
    assert [math.log(one.probability) for one in drawn] == pytest.approx(
        [token.logprob for token in candidate.tokens]
    )
    assert "".join(one.text for one in drawn).startswith(candidate.text)
    assert all(one.left > 0 for one in drawn)


def test_at_temperature_0_the_first_word_that_is_left_has_all() -> None:
    found = embedkit.show_decoding("a b c", "echo", temperature=0, seed=9)
    assert found.text == "a b c"
    assert [[choice.left for choice in step.choices] for step in found.steps] == [
        [1, 0, 0],
        [1, 0],
        [1],
    ]


def test_a_conversation_is_taken() -> None:
    conversation = [Message("system", "Be brief."), Message("user", "one two")]
    assert embedkit.show_decoding(conversation, "echo").text == "one two"


def test_it_is_plain_values() -> None:
    found = embedkit.show_decoding(PROMPT, "echo", seed=2, shown=2)
    value = json.loads(json.dumps(found.to_dict()))
    assert value["text"] == found.text
    assert value["steps"][0]["choices"][0] == dataclasses.asdict(found.steps[0].choices[0])


def test_a_generator_elsewhere_is_refused_with_what_to_do() -> None:
    with pytest.raises(UnsupportedOperationError, match=r"cohere:x does not tell.* smollm"):
        embedkit.show_decoding(PROMPT, "cohere:x")
    assert not isinstance(embedkit.generator("cohere:x"), DecodingGenerator)
    assert isinstance(embedkit.generator("echo"), DecodingGenerator)


@pytest.mark.parametrize("shown", [0, -1, 1.5, True, None])
def test_a_number_of_choices_is_checked(shown: Any) -> None:
    with pytest.raises(InvalidInputError, match="shown"):
        EchoGenerator().decode(PROMPT, shown=shown)


def test_parameters_are_checked_as_generate_checks_them() -> None:
    with pytest.raises(UnsupportedOperationError, match=r"top_k.*it honours: temperature"):
        EchoGenerator().decode(PROMPT, top_k=3)
    with pytest.raises(InvalidInputError, match="temperature"):
        EchoGenerator().decode(PROMPT, temperature=-1)
    with pytest.raises(InvalidInputError, match="empty"):
        EchoGenerator().decode(" ")
    with pytest.raises(InvalidInputError, match="stop"):
        EchoGenerator().decode(PROMPT, stop="to")


def test_where_no_limit_is_given_there_is_one() -> None:
    assert len(EchoGenerator().decode("word " * 100).steps) == MOST
    assert len(EchoGenerator().decode("word " * 100, max_tokens=30).steps) == 30
