from __future__ import annotations

from embedkit.classification.heads.prompts import answer_tokens, conversation


def test_examples_come_before_the_text_the_best_last() -> None:
    found = conversation(
        "where is it", ["a", "b"], [("best", "a"), ("next", "b")], instructions="", tokens=1000
    )
    assert [(m.role, m.content) for m in found[1:]] == [
        ("user", "next"), ("assistant", "b"), ("user", "best"), ("assistant", "a"),
        ("user", "where is it"),
    ]  # fmt: skip
    assert found[0].role == "system"
    assert found[0].content.endswith("- a\n- b")


def test_a_budget_leaves_out_what_does_not_fit() -> None:
    examples = [("word " * 400, "a"), ("short", "b"), ("word " * 400, "a")]
    tight = conversation("text", ["a", "b"], examples, instructions="", tokens=200)
    assert [m.content for m in tight[1:]] == ["short", "b", "text"]
    none = conversation("text", ["a", "b"], examples, instructions="", tokens=1)
    assert [m.content for m in none[1:]] == ["text"]


def test_instructions_take_the_place_of_the_general_line() -> None:
    found = conversation("x", ["a"], [], instructions="Judge the mood.", tokens=100)
    assert found[0].content.startswith("Judge the mood.\nAnswer with exactly one")


def test_an_answer_has_room_for_the_longest_label() -> None:
    assert answer_tokens(["a", "a rather long label of several words"]) > answer_tokens(["a", "b"])
