from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import click
import pytest

from embedkit.types import Hit
from embedkit_cli.hits import hits_table
from embedkit_cli.table import Column, cell, checklist, facts, numeric, render
from embedkit_cli.text import width

LONG = "words " * 60
HITS = [
    Hit(1, "q1", 0.98765, "How do I get my money back?", {"lang": "en", "votes": 12, "note": LONG}),
    Hit(2, "an-id-that-is-longer-than-most", 0.5, "日本語の質問" * 20, {"lang": "ja", "votes": 3}),
    Hit(3, "q3", -0.00001, "one\nline\x1b[2J " + LONG, {"lang": None, "votes": None}),
]


@pytest.fixture(params=[20, 40, 80, 120, 200])
def wide(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("COLUMNS", str(request.param))
    return int(request.param)


def test_hits_fit_the_terminal(wide: int) -> None:
    lines = click.unstyle(hits_table(HITS)).splitlines()
    assert len(lines) == 4
    if wide >= 60:
        assert max(map(width, lines)) <= wide
    assert lines[0].split()[:4] == ["#", "cosine", "id", "text"]
    assert "\x1b" not in "".join(lines)
    assert ("lang" in lines[0]) == (wide >= 120)


@pytest.mark.parametrize("kind", ["inner_product", "reranked"])
def test_scores_have_fixed_decimals_and_their_kind(kind: str) -> None:
    lines = click.unstyle(hits_table([replace(hit, kind=kind) for hit in HITS])).splitlines()
    assert kind.replace("_", " ") in lines[0]
    assert [line.split()[1] for line in lines[1:]] == ["0.9877", "0.5000", "0.0000"]


def test_no_hits_are_no_table() -> None:
    assert hits_table([]) == ""


def test_short_texts_leave_room_for_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    table = click.unstyle(hits_table([HITS[0]]))
    assert table.splitlines()[0].split() == ["#", "cosine", "id", "text", "lang", "votes", "note"]
    assert "How do I get my money back?" in table


def test_metadata_that_is_all_blank_takes_no_room() -> None:
    hits = [Hit(1, "a", 1.0, "text", {"empty": None, "blank": "", "full": False})]
    heading = click.unstyle(hits_table(hits)).splitlines()[0]
    assert heading.split() == ["#", "cosine", "id", "text", "full"]


def test_numbers_stand_to_the_right() -> None:
    table = render([Column("n", [1, 100], right=numeric([1, 100])), Column("x", ["a", "b"])], 80)
    assert click.unstyle(table).splitlines() == ["  n  x", "  1  a", "100  b"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (True, "true"),
        (1.50, "1.5"),
        (date(2026, 3, 7), "2026-03-07"),
        (datetime(2026, 3, 7, 12, 30, tzinfo=UTC), "2026-03-07 12:30:00+00:00"),
        (["a", 1], '["a", 1]'),
        ({"k": "\x1b"}, '{"k": "\\u001b"}'),
    ],
)
def test_cells(value: object, shown: str) -> None:
    assert cell(value, 80) == shown


def test_numeric() -> None:
    assert numeric([1, None, 2.5])
    assert not numeric([True])
    assert not numeric([None])
    assert not numeric(["1"])


def test_facts_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    shown = click.unstyle(facts([("id", "x"), ("text", "first\nsecond " + "word " * 40)]))
    lines = shown.splitlines()
    assert lines[0] == "id    x"
    assert lines[1] == "text  first"
    assert all(line.startswith(" " * 6) for line in lines[2:])
    assert shown.count("word") == 40
    assert max(map(len, lines)) <= 60


def test_checklist_wraps_and_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    shown = click.unstyle(
        checklist(
            [("ok", "one", "fine", ""), ("broken", "two", "word " * 20, "pip install x")],
            {"ok": "green"},
        )
    )
    lines = shown.splitlines()
    assert lines[0] == "ok      one  fine"
    assert lines[-1] == " " * 13 + "-> pip install x"
    assert max(map(len, lines)) <= 50
