"""Where a text may be cut."""

from __future__ import annotations

from itertools import pairwise

import pytest

from embedkit.chunking.borders import find_borders


def parts(text, kind):
    places = [0, *getattr(find_borders(text), kind).tolist(), len(text)]
    return [text[start:stop].strip() for start, stop in pairwise(places)]


@pytest.mark.parametrize(
    "sentences",
    [
        ["One is here.", "Two is there!", "Is three?", "Four…", "Five"],
        ["Dr. Smith and Mrs. J. R. Jones met, e.g. at noon, i.e. late.", "It rained."],
        ["It costs 3.50 or 1,000.25 dollars, see Fig. 3 and No. 5.", "Cheap."],
        ["He said “No!”", "Then (he left.)", "'Why?'", "Nobody knew."],
        ["The U.S. army came at 5 p.m. sharp.", "It left."],
        ["Wait... and then go.", "Wait...", "Go."],
        ["He left at once!", "¿Por qué?", "¡Claro!"],
    ],
)
def test_sentences_end_where_a_reader_would_say(sentences):
    assert parts(" ".join(sentences), "sentences") == sentences


def test_a_full_stop_of_a_script_without_blanks_ends_a_sentence():
    assert parts("これは文です。次の文です！「はい。」終わり", "sentences") == [
        "これは文です。",
        "次の文です！",
        "「はい。」",
        "終わり",
    ]
    assert parts("पहला वाक्य। दूसरा वाक्य।", "sentences") == ["पहला वाक्य।", "दूसरा वाक्य।"]


def test_items_of_a_list_are_parted_and_their_numbers_stay_with_them():
    text = "Buy:\n- milk\n- bread\n1. First the\nsecond\n2. Then\n(a) this\n# Title"
    assert parts(text, "sentences") == [
        "Buy:",
        "- milk",
        "- bread",
        "1. First the\nsecond",
        "2. Then",
        "(a) this",
        "# Title",
    ]


@pytest.mark.parametrize(
    "end", ["\n\n", "\r\n\r\n", "\n \t\n", "\r\r", "\n\n\n\n", "\x0c", "\u2029"]
)
def test_an_empty_line_ends_a_paragraph_however_lines_end(end):
    text = f"One line\nof a paragraph{end}Another.\r\nStill it."
    assert parts(text, "paragraphs") == ["One line\nof a paragraph", "Another.\r\nStill it."]
    assert "of a paragraph" in parts(text, "lines")


def test_lines_of_code_are_borders_and_so_are_signs_within_a_word():
    code = "def f(x):\n    return x.y + 1\nprint(f(2))"
    assert parts(code, "lines") == ["def f(x):", "return x.y + 1", "print(f(2))"]
    assert parts("one,two;three", "signs") == ["one,", "two;", "three"]
    assert parts("one,two;three", "words") == ["one,two;three"]


def test_each_kind_includes_the_coarser_ones_and_neither_end_is_a_border():
    text = "  A. B says hi.\n\nC, d。e\nf 漢字です  "
    borders = find_borders(text)
    kinds = [borders.paragraphs, borders.sentences, borders.lines, borders.words, borders.signs]
    for coarse, fine in pairwise(kinds):
        assert set(coarse.tolist()) <= set(fine.tolist())
    assert not {0, len(text)} & set(borders.signs.tolist())


def test_no_text_takes_longer_than_its_length():
    # Anything quadratic takes minutes with each of these.
    n = 300_000
    texts = ["x" * n, " " * n + "a", ". " * n, ".)" * n, "a" + " " * n, "。" * n]
    assert [len(find_borders(text).sentences) for text in texts] == [0, 0, n - 1, 0, 0, 0]
