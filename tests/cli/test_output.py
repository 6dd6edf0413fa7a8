from __future__ import annotations

import csv
import io
import json
import math
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.types import Hit
from embedkit_cli.hits import flat, metadata_column
from embedkit_cli.output import csv_line, csv_lines, plain, to_json

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None, categories=None))
    | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(VALUES)
def test_json_is_json_and_safe_to_print(value: object) -> None:
    text = to_json(value)
    assert json.loads(text, parse_constant=pytest.fail) == json.loads(
        json.dumps(plain(value), allow_nan=False)
    )
    text.encode("utf-8")
    assert not any(c < " " or "\x7f" <= c <= "\x9f" for c in text)


def test_json_of_what_json_does_not_know() -> None:
    value = {
        "nan": math.nan,
        "day": date(2026, 1, 2),
        "time": datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        "path": Path("a"),
        "pair": (1, 2),
        3: "key",
    }
    assert json.loads(to_json(value)) == {
        "nan": None,
        "day": "2026-01-02",
        "time": "2026-01-02T03:04:00+00:00",
        "path": "a",
        "pair": [1, 2],
        "3": "key",
    }


def test_csv_reads_back() -> None:
    rows = [
        {"id": "1", "text": 'a "quoted", two\nlines', "ok": True, "tags": ["x", "y"]},
        {"id": "2", "text": "é日", "none": None, "lone": "\ud800"},
    ]
    read = list(csv.DictReader(io.StringIO("".join(csv_lines(rows)))))
    assert list(read[0]) == ["id", "text", "ok", "tags", "none", "lone"]
    assert read[0]["text"] == 'a "quoted", two\nlines'
    assert read[0]["ok"] == "true"
    assert json.loads(read[0]["tags"]) == ["x", "y"]
    assert read[1]["none"] == ""
    assert read[1]["lone"] == "\\ud800"


def test_csv_header_stands_without_rows() -> None:
    assert "".join(csv_lines([], ["rank", "id"])) == "rank,id\n"
    assert csv_line([None, 1.5]) == ",1.5\n"


def test_metadata_never_hides_the_hit() -> None:
    hit = Hit(1, "a", 0.5, "text", {"rank": 99, "lang": "en"})
    assert flat(hit) == {
        "rank": 1, "id": "a", "score": 0.5, "text": "text", "metadata.rank": 99, "lang": "en",
    }  # fmt: skip
    assert metadata_column("lang") == "lang"
