"""Tables as spreadsheets read them."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from embedkit.classification.audit.sheets import safe, sheet


def read(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_excel_is_told_that_it_is_utf8() -> None:
    data = sheet([{"text": "Größe, “quoted”\nand more", "n": 0.5, "rare": True}], ["text", "n"])
    assert data.startswith(b"\xef\xbb\xbf")
    assert read(data) == [["text", "n"], ["Größe, “quoted”\nand more", "0.5"]]


def test_what_would_run_as_a_formula_is_text() -> None:
    for text in ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "- a dash"):
        assert safe(text) == f"'{text}"
    for text in ("-3.5", "+49", "a=b", "", "-1,5"):
        assert safe(text) == text


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=30), max_size=6))
def test_what_is_written_is_read_again(texts: list[str]) -> None:
    rows = [{"text": text, "number": i} for i, text in enumerate(texts)]
    table = read(sheet(rows, ["number", "text"]))
    assert table[0] == ["number", "text"]
    assert [row[1] for row in table[1:]] == [safe(text) for text in texts]
    assert not any(row[1].startswith(("=", "@")) for row in table[1:])


def test_lone_surrogates_do_not_stop_it() -> None:
    assert read(sheet([{"text": "a\ud800b"}], ["text"]))[1] == ["a?b"]
