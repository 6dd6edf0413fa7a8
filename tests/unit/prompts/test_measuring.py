from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from embedkit import generator
from embedkit.errors import ColumnError, InvalidInputError, SourceError
from embedkit.prompts.files import parse_template
from embedkit.prompts.measuring import compare_prompts, read_expected, scorer
from embedkit.prompts.running import Runner
from embedkit.prompts.tables import Columns


@pytest.mark.parametrize(
    ("metric", "said", "expected", "value"),
    [
        ("exact", " 'Yes.' ", "yes", 1.0),
        ("exact", "yes it is", "yes", 0.0),
        ("contains", "I say Yes, it is", "yes", 1.0),
        ("contains", "no", "yes", 0.0),
        ("one-of", "b", "a|B | c", 1.0),
        ("one-of", "d", "a|b", 0.0),
        ("json", '{"a": [1, 2]}', '{ "a" : [1,2] }', 1.0),
        ("json", '{"a": [2, 1]}', '{"a": [1, 2]}', 0.0),
        ("json", "no JSON", "[]", 0.0),
        ("rouge-l", "the cat sat", "the cat sat", 1.0),
        ("rouge-l", "a b c d", "a x c y", 0.5),
        ("similarity", "the cat sat", "the cat sat", 1.0),
    ],
)
def test_scores(metric: Any, said: str, expected: str, value: float, tmp_path: Path) -> None:
    score = scorer(metric, home=tmp_path, embedder="hashing")
    assert score([said], [expected]) == pytest.approx([value], abs=1e-5)
    assert score([], []) == []


def test_no_such_metric() -> None:
    with pytest.raises(InvalidInputError, match="there are: exact, contains"):
        scorer("bleu")  # type: ignore[arg-type]


def made(*prompts: str) -> list[Any]:
    found = []
    for i, text in enumerate(prompts):
        told = f'prompt="{text}"\n[inputs.text]\n[check]\nmax_words = 4\n'
        template = parse_template(told, f"t{i}")
        found.append((f"t{i}", Runner(template, generator("echo")), Columns(template)))
    return found


def test_formulations_are_compared_row_by_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    lines = [f"w{i},w{i}" if i % 2 else f"w{i} x,w{i}" for i in range(12)]
    path.write_text("\n".join(["text,answer", *lines, "none,", "a b c d e,a"]) + "\n")
    rows = read_expected(str(path), "Answer")
    assert (len(rows.expected), rows.left_out) == (13, 1)
    found = compare_prompts(made("{{ text }}", "{{ text }} x y z"), rows, price=2.0)
    plain, longer = found.formulations
    assert plain.scores == (*[0.0, 1.0] * 6, 0.0)
    assert plain.score.mean == pytest.approx(6 / 13)
    assert plain.score.low <= plain.score.mean <= plain.score.high
    assert plain.failing == pytest.approx(1 / 13)
    assert (plain.difference, plain.asked) == (None, 13)
    assert longer.score.mean == 0
    assert longer.failing == pytest.approx(7 / 13)
    assert longer.difference is not None
    assert longer.difference.difference.mean == pytest.approx(-6 / 13)
    assert longer.difference.losses == 6
    assert longer.difference.p_value == pytest.approx(2 / 64)
    tokens = plain.prompt_tokens + plain.completion_tokens
    assert plain.cost == pytest.approx(tokens * 2e-6)
    assert tokens > 0
    assert found.best is plain
    assert "scores" not in found.to_dict()["formulations"][0]


def test_nothing_to_compare(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,answer\na,\n")
    with pytest.raises(SourceError, match="no row with something in the column 'answer'"):
        read_expected(str(path), "answer")
    with pytest.raises(ColumnError, match="did you mean 'answer'"):
        read_expected(str(path), "anser")
    path.write_text("text,answer\na,b\n")
    with pytest.raises(InvalidInputError, match="at least one template"):
        compare_prompts([], read_expected(str(path), "answer"))
