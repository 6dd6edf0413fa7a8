from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import embedkit
from embedkit import embedder, prompt
from embedkit.errors import ColumnError, InvalidInputError
from embedkit.managed.tokens import estimate_tokens
from embedkit.prompts.files import parse_template
from embedkit.prompts.selection import Choice, Examples, fitting, read_examples, roles, spread

ROWS = [
    ("refund for my order", "money"),
    ("refund for my broken order", "money"),
    ("send the money back", "money"),
    ("parcel is late", "post"),
    ("where is my parcel", "post"),
    ("a card was stolen", "card"),
]
MODEL = embedder("hashing?dim=512")


def examples(**options: object) -> Examples:
    texts, labels = zip(*ROWS, strict=True)
    vectors = MODEL.embed(list(texts))
    return Examples(texts, labels, vectors, MODEL, choice=Choice(**options))  # type: ignore[arg-type]


def shown(text: str, **options: object) -> list[str]:
    return [shot["text"] for shot in examples(**options).choose(prompt("classify"), {"text": text})]


def test_the_nearest_stands_beside_the_question() -> None:
    assert shown("where is the parcel", k=2, diversity=0.0) == [
        "parcel is late",
        "where is my parcel",
    ]
    assert shown("where is the parcel", k=2, diversity=0.0, order="nearest-first") == [
        "where is my parcel",
        "parcel is late",
    ]


def test_an_input_is_never_its_own_example() -> None:
    for text, _ in ROWS:
        for told in (text, f"  {text.upper()}\n"):
            found = shown(told, k=6)
            assert text not in found
            assert len(found) == 5


def test_diversity_takes_one_of_two_that_say_the_same() -> None:
    near = shown("refund order money", k=2, diversity=0.0)
    assert set(near) == {"refund for my order", "refund for my broken order"}
    assert not {"refund for my order", "refund for my broken order"} <= set(
        shown("refund order money", k=2, diversity=0.9)
    )


@given(st.integers(1, 200), st.integers(1, 6))
def test_the_budget_holds(tokens: int, k: int) -> None:
    template = prompt("classify")
    assert template.few_shot is not None
    assert template.few_shot.answer is not None
    found = examples(k=k, tokens=tokens).choose(template, {"text": "a refund"})
    told = [
        template.few_shot.shown.fill(shot)
        + template.few_shot.separator
        + template.few_shot.answer.fill(shot)
        for shot in found
    ]
    assert sum(map(estimate_tokens, told)) <= tokens
    assert len(found) <= k


@given(st.lists(st.integers(1, 50), max_size=12), st.integers(0, 120))
def test_what_fits_is_kept_in_its_order(costs: list[int], room: int) -> None:
    kept = fitting(costs, room)
    assert kept == sorted(kept)
    assert sum(costs[i] for i in kept) <= room
    left = room
    for place, cost in enumerate(costs):
        assert (place in kept) == (cost <= left)
        left -= cost if place in kept else 0


def test_spread_of_nothing() -> None:
    assert spread(np.empty((0, 4), np.float32), 3, 0.3) == []
    assert spread(np.eye(3, dtype=np.float32), 0, 0.3) == []
    assert sorted(spread(np.eye(3, dtype=np.float32), 9, 0.3)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("options", "told"),
    [({"k": 0}, "k of at least 1"), ({"tokens": 0}, "tokens"), ({"diversity": 2.0}, "diversity")],
)
def test_choices_that_cannot_be_meant(options: dict[str, float], told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        Choice(**options)  # type: ignore[arg-type]


def test_which_variable_is_which() -> None:
    assert roles(prompt("classify")) == ("text", "label")
    assert roles(prompt("classify-completion")) == ("text", "label")
    with pytest.raises(InvalidInputError, match="shows no examples"):
        roles(prompt("summarize"))
    text = 'form="completion"\nprompt="{{ a }}"\n[inputs.a]\n[examples]\nshown="{{ b }}{{ c }}"\n'
    with pytest.raises(InvalidInputError, match="got no text and b, c"):
        roles(parse_template(text, "x"))


def test_examples_of_a_file_and_of_a_collection(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "\n".join(f"{text},{label}" for text, label in ROWS) + "\n")
    home = tmp_path / "home"
    of_file = read_examples(str(path), home=home, embedder="hashing", choice=Choice(k=2))
    with embedkit.open("mine", home=home, embedder="hashing") as collection:
        collection.index(str(path), text="text")
    of_collection = read_examples("mine", home=home, label="label", choice=Choice(k=2))
    asked = {"text": "where is the parcel"}
    found = of_file.choose(prompt("classify"), asked)
    assert found[-1] == {"text": "where is my parcel", "label": "post"}
    assert of_collection.choose(prompt("classify"), asked) == found
    with pytest.raises(ColumnError, match="column of the labels"):
        read_examples("mine", home=home)
    with pytest.raises(ColumnError, match="label"):
        read_examples("mine", home=home, label="lable")
