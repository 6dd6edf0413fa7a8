from __future__ import annotations

import csv
import gzip
import io
import os
import random
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedkit.errors import InvalidInputError, SourceError
from embedkit_connectors import DelimitedSource, open_source
from embedkit_connectors.rows import OPEN_LINES

TABLE = "id,question,topic\n1,How do I pay?,billing\n2,Where is it?,shipping\n"


def written(rows, *, header=("id", "text", "topic"), **dialect) -> str:
    out = io.StringIO()
    csv.writer(out, **dialect).writerows([header[: len(rows[0])] if rows else header, *rows])
    return out.getvalue()


def test_reads_rows_with_the_line_where_each_begins(read, write):
    found = read(write("a.csv", TABLE))
    assert found.columns == ["id", "question", "topic"]
    assert found.rows[1] == {"id": "2", "question": "Where is it?", "topic": "shipping"}
    assert found.lines == [2, 3]
    assert found.rejects == []


def test_every_column_is_text_and_an_empty_field_stays_empty(write):
    source = open_source(write("a.csv", "id,n\n007,\n1e3,true\n"))
    (batch,) = source.batches()
    assert source.typed is False
    assert [str(kind) for kind in batch.table.schema.types] == ["string", "string"]
    assert batch.table.to_pydict() == {"id": ["007", "1e3"], "n": ["", "true"]}


cell = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
awkward = st.text(st.sampled_from("\",;|\t\n\r 'ab1\u2028\x0b\x1f"), max_size=8)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    data=st.data(),
    width=st.integers(1, 4),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be-bom", "utf-32"]),
)
def test_any_table_is_read_back_exactly(
    tmp_path, data, width, delimiter, line_end, quoting, encoding
):
    row = st.lists(cell | awkward, min_size=width, max_size=width)
    rows = data.draw(st.lists(row, max_size=6))
    if quoting == csv.QUOTE_MINIMAL and line_end != "\r\n":
        # The writer leaves the other line end without quotes: no reader could tell.
        other = {"\n": "\r", "\r": "\n"}[line_end]
        rows = [[value.replace(other, " ") for value in row] for row in rows]
    text = written(
        rows,
        header=["id", "text", "topic", "more"][:width],
        delimiter=delimiter,
        lineterminator=line_end,
        quoting=quoting,
    )
    path = tmp_path / "table.csv"
    if encoding == "utf-16-be-bom":
        path.write_bytes(b"\xfe\xff" + text.encode("utf-16-be"))
    else:
        path.write_bytes(text.encode(encoding))
    found = [list(row.values()) for b in open_source(path).batches() for row in b.table.to_pylist()]
    assert [r for b in open_source(path).batches() for r in b.rejects] == []
    assert found == rows


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".dat"])
def test_finds_the_delimiter_whatever_the_suffix(read, write, delimiter, suffix):
    rows = [[str(i), "a, b; c | d and\tmore", "x"] for i in range(5)]
    found = read(write(f"a{suffix}", written(rows, delimiter=delimiter)))
    assert [list(row.values()) for row in found.rows] == rows


def test_a_file_of_one_column_is_not_split_at_commas_in_its_text(read, write):
    texts = ["What is X, and why?", "Who, when, where", "plain", 'He said "no"']
    found = read(write("a.csv", "text\n" + "\n".join(texts) + "\n"))
    assert found.columns == ["text"]
    assert found.values("text") == texts


def test_a_header_with_a_comma_over_one_column_of_text(read, write):
    texts = ["Who?", "One, two, three, four?", "Where?", "Why?"]
    found = read(write("a.csv", "What is X, and why?\n" + "\n".join(texts) + "\n"))
    assert found.columns == ["What is X, and why?"]
    assert found.values("What is X, and why?") == texts


def test_one_column_keeps_blanks_and_quoted_empty_cells(read, write):
    found = read(write("a.csv", 'text\n  \n""\n\nx\x1fy\n'))
    assert found.values("text") == ["  ", "", "x\x1fy"]
    assert found.lines == [2, 3, 5]


def test_quotes_that_are_characters_like_others_in_a_tsv(read, write):
    texts = ['"Hello" he said', 'the 6" pipe', '"unbalanced', "plain"]
    content = "id\ttext\n" + "".join(f"{i}\t{text}\n" for i, text in enumerate(texts))
    found = read(write("a.tsv", content))
    assert found.values("text") == texts
    assert found.rejects == []


def test_options_in_a_spec_win(read, write):
    path = write("weird.dat", "a,b;c\n'1;2, x';'y'\n")
    assert read(f"csv:{path}?delimiter=%3B&quote='").rows == [{"a,b": "1;2, x", "c": "y"}]
    path = write("semi.dat", 'a,b;c\n"1,2;3\n')
    assert read(f"csv:{path}?delimiter=%3B&quote=none").rows == [{"a,b": '"1,2', "c": "3"}]
    path = write("tabs.dat", "a\tb\n1\t2\n")
    assert read(f"csv:{path}?delimiter=tab").rows == [{"a": "1", "b": "2"}]
    path = write("bare.csv", "1,x\n2,y\n")
    found = read(f"csv:{path}?header=false")
    assert found.rows[0] == {"column_1": "1", "column_2": "x"}
    assert found.lines == [1, 2]


@pytest.mark.parametrize("option", ["delimiter=ab", "quote=xx", "encoding=klingon", "header=maybe"])
def test_an_option_that_cannot_be_meant_is_refused(read, write, option):
    with pytest.raises(InvalidInputError, match=r"expected|option"):
        read(f"csv:{write('a.csv', TABLE)}?{option}")


def test_header_names_are_stripped_filled_in_and_told_apart(read, write):
    found = read(write("a.csv", " id ,Text,,text,text_2\n1,2,3,4,5\n"))
    assert found.columns == ["id", "Text", "column_3", "text_3", "text_2"]


def test_header_only_gives_columns_and_no_rows(write):
    (batch,) = open_source(write("a.csv", "id,text\n")).batches()
    assert batch.table.schema.names == ["id", "text"]
    assert batch.table.num_rows == 0


@pytest.mark.parametrize("content", [b"", b"\n\n  \r\n", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_an_empty_file_is_an_error(read, write, content):
    with pytest.raises(SourceError, match="is empty"):
        read(write("a.csv", content))


@pytest.mark.parametrize(
    "content",
    [
        'id, text\n1, "hello, world"\n2, "x"\n',
        "id,text\n1,'hello, world'\n2,'x'\n",
        "sep=;\nid;text\n1;hello, world\n2;x\n",
        'id,text\n1,"hello, world",\n2,x,,\n',
        "\n\nid|text\n1|hello, world\n\n2|x\n",
    ],
    ids=["blanks", "single quotes", "sep", "trailing", "blank lines"],
)
def test_other_ways_to_write_a_table(read, write, content):
    found = read(write("a.csv", content))
    assert found.rows == [{"id": "1", "text": "hello, world"}, {"id": "2", "text": "x"}]
    assert found.rejects == []


def test_quotes_that_a_backslash_escapes(read, write):
    found = read(write("a.csv", 'id,text\n1,"say \\"hi, you\\" now"\n2,"a, b"\n'))
    assert found.values("text") == ['say "hi, you" now', "a, b"]
    # but a backslash is kept where quotes are written twice
    found = read(write("b.csv", 'id,text\n1,"so \\"", he said"\n2,$\\alpha$\n'))
    assert found.values("text") == ['so \\", he said', "$\\alpha$"]


def test_commas_without_quotes_do_not_hide_the_columns(read, write):
    found = read(write("a.csv", "id,text\n1,a, b\n2,c, d, e\n3,f\n"))
    assert found.rows == [{"id": "3", "text": "f"}]
    assert sorted(found.refused) == [2, 3]
    path = write("b.csv", "title, year\nOne, two\nThree, four, five\n")
    assert read(f"csv:{path}?delimiter=none").values("title, year") == [
        "One, two",
        "Three, four, five",
    ]


def test_the_sample_is_not_blinded_by_an_open_quote(read, write):
    rows = "".join(f"{i};one, two, three\n" for i in range(3000))
    found = read(write("a.csv", f'id;text\nx;"open\n{rows}'))
    assert len(found.rows) == 3000
    assert list(found.refused) == [2]


def test_ragged_rows_are_refused_and_the_rest_goes_on(read, write):
    found = read(write("a.csv", "id,text,n\n1,a,1\n2,b\n3,c,3,4,5\n\n   \n4,d,4\n"))
    assert found.values("id") == ["1", "4"]
    assert found.lines == [2, 7]
    assert found.refused == {3: "expected 3 fields, got 2", 4: "expected 3 fields, got 5"}
    assert found.rejects[0].excerpt == "2,b"


def test_a_bad_row_of_many_lines_is_refused_once_at_its_first_line(read, write):
    found = read(write("a.csv", 'id,text\n1,"a\nb\nc",extra\n2,"d\ne"\n3,f\n'))
    assert found.refused == {2: "expected 2 fields, got 3"}
    assert found.lines == [5, 7]


@pytest.mark.parametrize("rows_after", [0, 3, 40_000])
def test_an_unclosed_quote_costs_its_own_line_only(read, write, rows_after):
    content = 'id,text\n1,fine\n2,"never closed\n' + "".join(
        f"{i},row {i}\n" for i in range(3, 3 + rows_after)
    )
    found = read(write("a.csv", content))
    assert found.values("id") == ["1", *map(str, range(3, 3 + rows_after))]
    assert list(found.refused) == [3]
    assert "never closed" in found.refused[3]
    assert found.rejects[0].excerpt == '2,"never closed'


def test_an_unclosed_quote_among_quoted_rows(read, write):
    rows = [f'{i},"row, {i}"\n' for i in range(200)]
    rows[50] = '50,"broken, 50\n'
    rows[150] = '150,"inner " quote"\n'
    found = read(write("a.csv", "id,text\n" + "".join(rows)))
    assert sorted(found.refused) == [52, 152]
    assert len(found.rows) == 198


def test_a_quote_closed_by_a_later_row_does_not_swallow_the_rows_between(read, write):
    rows = [f"{i},row {i}\n" for i in range(300)]
    rows[10], rows[200] = '10,"opened\n', '200,closed"\n'
    found = read(write("a.csv", "id,text\n" + "".join(rows)))
    assert list(found.refused) == [12]
    assert len(found.rows) == 299
    assert found.rows[10] == {"id": "11", "text": "row 11"}


def test_a_long_cell_of_many_lines_is_kept(read, write):
    poem = "\n".join(f"line {i}, and so on, and on" for i in range(500))
    found = read(write("a.csv", written([["1", poem], ["2", "x"]])))
    assert found.rows[0]["text"] == poem
    assert found.lines == [2, 502]


def test_a_header_with_an_unclosed_quote_is_an_error(read, write):
    with pytest.raises(SourceError, match=r"expected a header, got .* line 1.*quote=none"):
        read(write("a.csv", '"id,text\n1,a\n2,b\n'))


def test_line_ends_of_all_kinds(read, write):
    for end in ("\n", "\r\n", "\r"):
        rows = [["1", "a\nb"], ["2", "c"]]
        path = write("a.csv", written(rows, lineterminator=end, quoting=csv.QUOTE_ALL))
        assert [list(row.values()) for row in read(path).rows] == rows
    assert read(write("b.csv", "id,text\n1,a\n2,b")).lines == [2, 3]


def test_a_stray_carriage_return_spoils_its_row_only(read, write):
    found = read(write("a.csv", "id,text\n1,a\rb\n2,c\n"))
    assert found.values("id") == ["2"]
    assert found.refused == {2: "a carriage return outside quotes"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_cafe_survives(read, write, encoding):
    found = read(
        write(
            "a.csv",
            "id,text\n1,un café crème\n2,Größe, naïve\n".replace(
                "Größe, naïve", "Größe naïve"
            ).encode(encoding),
        )
    )
    assert found.values("text") == ["un café crème", "Größe naïve"]
    assert found.rejects == []


def test_windows_1252_is_noted(write):
    source = DelimitedSource(write("a.csv", "id,text\n1,café – “yes”\n".encode("cp1252")))
    (batch,) = source.batches()
    assert batch.table["text"].to_pylist() == ["café – “yes”"]
    assert "Windows-1252" in source.notes[0]


def test_the_first_byte_that_is_not_ascii_comes_late(read, write):
    rows = "".join(f"{i},row {i}\n" for i in range(60_000))
    found = read(write("a.csv", ("id,text\n" + rows + "x,café\n").encode("cp1252")))
    assert found.rows[-1]["text"] == "café"
    assert found.rejects == []


def test_bytes_that_are_not_utf8_in_a_utf8_file_spoil_their_row_only(read, write):
    rows = "".join(f"{i},naïve row {i}\n" for i in range(60_000)).encode()
    found = read(write("a.csv", b"id,text\n" + rows + b"x,caf\xe9\ny,caf\xc3\xa9\n"))
    assert found.rows[-1] == {"id": "y", "text": "café"}
    assert len(found.rows) == 60_001
    (reject,) = found.rejects
    assert reject.line == 60_002
    assert "0xE9" in reject.reason
    assert reject.excerpt == "x,caf\\xe9"


def test_another_encoding_is_an_error_that_says_how_to_name_it(read, write):
    content = "id,text\n" + "".join(f"{i},これは質問です\n" for i in range(50))
    path = write("a.csv", content.encode("shift_jis"))
    with pytest.raises(SourceError, match=r"expected UTF-8 .* line 2; .*encoding=NAME"):
        read(path)
    assert read(f"csv:{path}?encoding=shift_jis").values("text")[0] == "これは質問です"


def test_utf16_without_a_mark_is_recognised(read, write):
    path = write("a.csv", TABLE.encode("utf-16-le"))
    with pytest.raises(SourceError, match="encoding=utf-16-le"):
        read(path)
    assert len(read(f"csv:{path}?encoding=utf-16-le").rows) == 2


def test_binary_data_is_refused(read, write):
    content = random.Random(1).randbytes(5000)
    with pytest.raises(SourceError, match=r"expected text, got binary data \(NUL bytes at"):
        read(write("a.csv", content))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PK\x03\x04rest", "Excel"),
        (b"%PDF-1.7 rest", "PDF"),
        (b"SQLite format 3\0rest", "SQLite"),
        (b"BZh91AY", "bzip2"),
    ],
)
def test_known_formats_are_named(read, write, content, what):
    with pytest.raises(SourceError, match=what):
        read(write("a.csv", content))


def test_a_nul_character_spoils_its_row_only(read, write):
    rows = "".join(f"{i},row {i}\n" for i in range(100))
    found = read(write("a.csv", f"id,text\n{rows}x,a\0b\ny,c\n"))
    assert len(found.rows) == 101
    assert found.refused == {102: "expected text, got a NUL character"}


def test_ten_megabytes_in_one_cell(read, write):
    long, lines = "x" * 10_000_000, "some words\n" * 10_000
    found = read(write("a.csv", written([["1", long], ["2", lines], ["3", "end"]])))
    assert found.values("text") == [long, lines, "end"]
    assert found.lines == [2, 3, 10_004]


def test_a_line_beyond_all_bounds_is_refused_without_being_held(write):
    path = write("a.csv", "")
    with path.open("wb") as file:
        file.write(b"id,text\n1,a\n2,")
        for _ in range(50):
            file.write(b"x" * 2**20)
        file.write(b"\n3,c\n")
    tracemalloc.start()
    found = [(b.table.to_pydict(), b.rejects) for b in open_source(path).batches()]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [i for table, _ in found for i in table["id"]] == ["1", "3"]
    (reject,) = [r for _, rejects in found for r in rejects]
    assert (reject.line, reject.reason) == (
        3,
        "expected a line of at most 32 MiB, got a longer one",
    )
    assert peak < 120 * 2**20


def test_gzip_with_and_without_its_suffix(read, write):
    packed = gzip.compress(TABLE.encode())
    assert len(read(write("a.csv.gz", packed)).rows) == 2
    assert len(read(write("b.csv", packed)).rows) == 2
    assert len(read(write("c.csv.gz", packed + packed)).rows) == 5  # the second header is a row
    assert len(read(write("d.csv.gz", TABLE)).rows) == 2


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_damaged_gzip_yields_the_rows_before_and_is_an_error(read_until_damage, write, damage):
    rng = random.Random(5)
    rows = "".join(f"{i},{rng.random()}\n" for i in range(30_000))
    packed = bytearray(gzip.compress(f"id,text\n{rows}".encode()))
    if damage == "cut":
        del packed[len(packed) // 2 :]
    else:
        packed[-6] ^= 1  # the checksum: nothing else tells
    found, error = read_until_damage(write("a.csv.gz", bytes(packed)))
    assert isinstance(error, SourceError)
    assert found.values("id")[:3] == ["0", "1", "2"]
    assert found.values("id") == [str(i) for i in range(len(found.rows))]
    assert f"after line {len(found.rows) + 1:,}" in str(error)
    if damage == "cut":
        assert 5_000 < len(found.rows) < 25_000
        assert "ends early" in str(error)


def test_batches_are_bounded_in_rows_and_bytes(write):
    path = write("a.csv", "id,text\n" + "".join(f"{i},x\n" for i in range(25_000)))
    sizes = [b.table.num_rows for b in open_source(path).batches()]
    assert sum(sizes) == 25_000
    assert max(sizes) <= 10_000
    path = write("b.csv", "id,text\n" + "".join(f"{i},{'x' * 2**20}\n" for i in range(24)))
    batches = list(open_source(path).batches())
    assert sum(b.table.num_rows for b in batches) == 24
    assert max(b.table.nbytes for b in batches) < 20 * 2**20


def test_a_file_can_be_read_again(write):
    source = open_source(write("a.csv", TABLE))
    assert [b.table for b in source.batches()] == [b.table for b in source.batches()]


@pytest.mark.slow
def test_memory_stays_bounded_whatever_the_rows(tmp_path: Path):
    path = tmp_path / "a.csv.gz"
    rows = "".join(f'{i},"{"word, " * 250}"\n' for i in range(1000)).encode()
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"id,text\n")
        for _ in range(60):  # 75 MB
            file.write(rows)
    code = """
import resource, sys
from embedkit_connectors import open_source
import embedkit_connectors.delimited
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = sum(batch.table.num_rows for batch in open_source(sys.argv[1]).batches())
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(rows, (after - before) // (2**20 if sys.platform == "darwin" else 2**10))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    rows_read, megabytes = map(int, done.stdout.split())
    assert rows_read == 60_000
    assert megabytes < 60


def test_bounds_of_an_open_row_are_those_that_are_documented():
    assert OPEN_LINES == 20_000
