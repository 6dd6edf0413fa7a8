from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit_cli.text import clean, count, cut, harmless, pad, size, width

ANY = st.text(st.characters(codec=None, categories=None))


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", 0),
        ("plain", 5),
        ("café", 4),
        ("cafe\u0301", 4),
        ("日本語", 6),
        ("ｆｕｌｌ", 8),
        ("한국", 4),
        ("zero\u200bwidth", 9),
        ("👍", 2),
    ],
)
def test_width(text: str, columns: int) -> None:
    assert width(text) == columns


@given(ANY, st.integers(2, 40))
def test_cut_fits_and_keeps_the_beginning(text: str, limit: int) -> None:
    shown = cut(text, limit)
    assert width(shown) <= limit
    if width(text) <= limit:
        assert shown == text
    else:
        assert shown.endswith("…")
        assert text.startswith(shown[:-1])


@given(ANY)
def test_clean_leaves_one_line_without_controls(text: str) -> None:
    shown = clean(text)
    assert len(shown.splitlines()) <= 1
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in shown)
    assert "  " not in shown.replace("\u3000", "")
    assert clean(shown) == shown


@given(ANY)
def test_harmless_keeps_lines_and_tabs_alone(text: str) -> None:
    shown = harmless(text)
    controls = {c for c in shown if unicodedata.category(c) in ("Cc", "Cs")}
    assert controls <= {"\n", "\t"}


def test_escape_sequences_are_spelt_out() -> None:
    assert clean("a\x1b[31mred\x1b]0;title\x07") == "a\\x1b[31mred\\x1b]0;title\\x07"
    assert clean("c1 \x9b31m, bidi \u202egnirts") == "c1 \\x9b31m, bidi \\u202egnirts"
    assert clean(" two\r\nlines\u2028and  \ttabs ") == "two lines and tabs"


def test_pad_counts_columns_not_characters() -> None:
    assert pad("日本", 6) == "日本  "
    assert pad("7", 3, right=True) == "  7"


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (123_456, "123 kB"), (4_200_000, "4.2 MB"),
     (3 * 10**12, "3.0 TB")],
)  # fmt: skip
def test_size(number: int, text: str) -> None:
    assert size(number) == text


def test_count() -> None:
    assert count(1, "row") == "1 row"
    assert count(2000, "row") == "2,000 rows"
    assert count(2, "query", "queries") == "2 queries"
