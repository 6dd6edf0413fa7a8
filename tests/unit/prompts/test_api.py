from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import embedkit
from embedkit.errors import CredentialsError, InvalidInputError
from embedkit.prompts.files import parse_template

SAY = parse_template('prompt="{{ text }}"\n[inputs.text]\n[check]\nmax_words = 2\n', "say")


def test_rows_are_answered_in_order_and_kept(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"text": "a b"}, {"text": "a b c"}, {}]
    options: dict[str, Any] = {"generator": "echo", "home": tmp_path}
    found = embedkit.run_prompt(SAY, rows, **options)
    assert [(each.line, each.value) for each in found] == [(1, "a b"), (2, None), (3, None)]
    assert [each.asked for each in found] == [1, 1, 0]
    again = embedkit.run_prompt(SAY, rows, **options)
    assert [each.asked for each in again] == [0, 0, 0]
    assert [each.asked for each in embedkit.run_prompt(SAY, rows, anew=True, **options)] == [
        1,
        1,
        0,
    ]


def test_what_cannot_be_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for rows, told in (
        ({"text": "a"}, "a list of rows, got dict"),
        (None, "a list of rows, got NoneType"),
        ("a", "rows of values by input, got str"),
        (["a"], "rows of values by input, got str"),
        ([{"text": "a"}, None], "rows of values by input, got NoneType"),
        ([{"text": "a"}, ""], "rows of values by input, got str"),
        ([{"text": "a"}, []], "rows of values by input, got list"),
    ):
        wrong: Any = rows
        with pytest.raises(InvalidInputError, match=f"expected {told};"):
            embedkit.run_prompt(SAY, wrong, generator="echo", home=tmp_path)
    monkeypatch.delenv("CO_API_KEY", raising=False)
    with pytest.raises(CredentialsError):
        embedkit.run_prompt(SAY, [{"text": "a"}], generator="cohere:command-a", home=tmp_path)


def test_smollm_finds_keywords_by_the_completion(tmp_path: Path) -> None:
    made = embedkit.generator("smollm")
    chosen = embedkit.prompt_for("keywords", made)
    assert chosen.name == "keywords-completion"
    assert embedkit.prompt_for("summarize", made).name == "summarize"
    text = (
        "Steam engines drove the first railways. An engine burns coal, the boiler makes steam, and "
        "the steam moves a piston."
    )
    (found,) = embedkit.run_prompt("keywords", [{"text": text}], generator=made, home=tmp_path)
    assert found.passed, found
    assert isinstance(found.value, list)
    assert any("steam" in word.casefold() for word in found.value)
    (kept,) = embedkit.run_prompt("keywords", [{"text": text}], generator=made, home=tmp_path)
    assert (kept.value, kept.asked) == (found.value, 0)
