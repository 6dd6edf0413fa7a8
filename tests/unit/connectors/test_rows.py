from __future__ import annotations

import pytest

from embedkit_connectors.rows import OPEN_LINES, Dialect, RowParser

CSV = Dialect(",", '"')


class Counted(list[str]):
    """Lines that count how often one of them is read."""

    reads = 0

    def __getitem__(self, i):
        self.reads += 1
        return super().__getitem__(i)


def parse(lines, **options):
    parser = RowParser(CSV, **options)
    rows, starts = parser.feed(lines, final=True)
    return rows, starts, [reject.line for reject in parser.rejects]


@pytest.mark.parametrize(
    "bad", ['{i},"a" b\n', '{i},"never closed\n', '{i},"a",b"\n'], ids=["inner", "open", "extra"]
)
def test_bad_lines_cost_time_in_proportion(bad):
    n = OPEN_LINES + 5_000
    lines = Counted(bad.format(i=i) if i % 10 == 5 else f"{i},fine\n" for i in range(n))
    rows, _, rejects = parse(lines, width=2)
    assert len(rejects) + len(rows) >= 0.9 * n
    assert lines.reads < 4 * n


def test_only_the_bad_lines_are_lost():
    lines = [f"{i},fine\n" for i in range(10)]
    lines[3], lines[7] = '3,"a" b\n', '7,"open\n'
    rows, starts, rejects = parse(lines)
    assert rejects == [4, 8]
    assert starts == [1, 2, 3, 5, 6, 7, 9, 10]
    assert [row[0] for row in rows] == ["0", "1", "2", "4", "5", "6", "8", "9"]


def test_rows_that_go_over_several_feeds():
    parser = RowParser(CSV)
    got = [parser.feed(['1,"a\n']), parser.feed(["b\n", "c\n"])]
    assert got == [([], []), ([], [])]
    assert parser.holds
    assert parser.feed(['d"\n', "2,x\n"], final=True) == ([["1", "a\nb\nc\nd"], ["2", "x"]], [1, 5])
    assert parser.rejects == []


def test_an_open_row_is_given_up_after_its_bound():
    parser = RowParser(CSV)
    assert parser.feed(['1,"open\n']) == ([], [])
    rows, starts = parser.feed([f"{i},x\n" for i in range(OPEN_LINES + 1)])
    assert len(rows) == OPEN_LINES + 1
    assert starts[0] == 2
    assert [reject.line for reject in parser.rejects] == [1]


def test_blank_lines_are_left_out_and_counted():
    assert parse(["a,b\n", "\n", "\r\n", "c,d\n"]) == ([["a", "b"], ["c", "d"]], [1, 4], [])
