from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedkit.errors import (
    EmbedkitError,
    InvalidInputError,
    SourceError,
    SourceNotFoundError,
)
from embedkit.protocols import Source
from embedkit_connectors import DelimitedSource, TextSource, open_source

TABLE = "id,text\n1,a\n2,b\n"


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.csv", TABLE, "DelimitedSource"),
        ("a.TSV", TABLE.replace(",", "\t"), "DelimitedSource"),
        ("a.csv.gz", gzip.compress(TABLE.encode()), "DelimitedSource"),
        ("a.jsonl", '{"a": 1}\n', "JsonLinesSource"),
        ("a.ndjson.gz", gzip.compress(b'{"a": 1}\n'), "JsonLinesSource"),
        ("a.json", '[{"a": 1}]', "JsonLinesSource"),
        ("a.txt", TABLE, "TextSource"),
        ("README.md", "# Title\n", "TextSource"),
        ("noname", TABLE, "DelimitedSource"),
        ("noname2", '\n {"a": 1}\n', "JsonLinesSource"),
        ("a.log", "one line\nanother, line\n", "TextSource"),
        ("a.dat", "single", "TextSource"),
        ("prose", "Hello there, world.\nThis, that.\n", "TextSource"),
        ("wrong.csv", '{"id": 1, "text": "a"}\n', "JsonLinesSource"),
    ],
)
def test_suffix_and_content_say_the_format(write, name, content, kind):
    source = open_source(write(name, content))
    assert type(source).__name__ == kind
    assert isinstance(source, Source)
    assert sum(batch.table.num_rows for batch in source.batches()) >= 1


@pytest.mark.parametrize(
    ("name", "stem"),
    [("questions.csv", "questions"), ("a.b.csv.gz", "a.b"), ("x.JSONL", "x"), ("plain", "plain")],
)
def test_names_of_a_file(write, monkeypatch, tmp_path, name, stem):
    write(name, '{"a": 1}\n' if "JSON" in name else TABLE)
    monkeypatch.chdir(tmp_path)
    source = open_source(name)
    assert (source.label, source.stem) == (name, stem)
    assert source.name == str((tmp_path / name).resolve())


def test_a_source_is_returned_as_it_is(write):
    source = TextSource(write("a.txt", "x\n"))
    assert open_source(source) is source


def test_a_missing_file_offers_the_nearest(write, tmp_path):
    write("questions.csv", TABLE)
    with pytest.raises(SourceNotFoundError, match=r"did you mean .*questions\.csv\?"):
        open_source(tmp_path / "qestions.csv")
    with pytest.raises(SourceNotFoundError, match=r"did you mean .*questions\.csv\?"):
        open_source(tmp_path / "questions")
    with pytest.raises(SourceNotFoundError, match="there is no folder"):
        open_source(tmp_path / "nope" / "a.csv")
    with pytest.raises(FileNotFoundError):
        open_source(f"csv:{tmp_path}/none.csv")


def test_what_is_no_file_at_all(tmp_path):
    with pytest.raises(SourceError, match="download it"):
        open_source("https://example.org/a.csv")
    with pytest.raises(SourceNotFoundError):
        open_source("nosuch:thing")
    with pytest.raises(InvalidInputError):
        open_source("")
    with pytest.raises(SourceError):
        open_source("x" * 5000)
    with pytest.raises(InvalidInputError):
        open_source("a\0b")
    with pytest.raises(SourceError, match="got the folder"):
        open_source(f"csv:{tmp_path}")
    with pytest.raises(InvalidInputError):
        open_source("csv:")
    with pytest.raises(SourceNotFoundError):
        open_source("~no-such-user/a.csv")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.txt", "a.parquet", "a", "a.csv.gz"])
def test_an_empty_file_is_an_error_at_once(write, name):
    with pytest.raises(SourceError, match="is empty"):
        open_source(write(name, gzip.compress(b"") if name.endswith("gz") else b""))


def test_a_file_that_may_not_be_read():
    list(open_source(["everything is imported"]).batches())
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        path.write_text(TABLE)
        path.chmod(0)
        Path(folder).chmod(0o755)
        try:
            if user == 0:  # who may read everything
                os.seteuid(65534)
            for spec in (path, f"csv:{path}"):
                with pytest.raises(SourceError, match="permission denied; mend"):
                    open_source(spec)
        finally:
            os.seteuid(user)


def run_python(code: str, *arguments: str, stdin: bytes = b"") -> str:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        input=stdin,
        env=environment,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().strip()


def test_a_spec_names_a_source_and_its_options(read, write):
    path = write("weird.dat", "a;b,c\n1;2\n")
    source = open_source(f"csv:{path}?delimiter=%3B&encoding=latin-1")
    assert isinstance(source, DelimitedSource)
    assert (source.delimiter, source.encoding) == (";", "latin-1")
    assert read(f"text:{path}").values("text") == ["a;b,c", "1;2"]
    with pytest.raises(InvalidInputError, match="did you mean 'delimiter'"):
        open_source(f"csv:{path}?delimeter=x")


def test_a_file_whose_name_looks_like_a_spec_is_a_file(write, monkeypatch, tmp_path):
    write("csv:odd.txt", "x\n")
    write("what?.csv", TABLE)
    monkeypatch.chdir(tmp_path)
    assert isinstance(open_source("csv:odd.txt"), TextSource)
    assert isinstance(open_source("what?.csv"), DelimitedSource)


def test_sources_from_outside_are_found_by_name(tmp_path, monkeypatch):
    (tmp_path / "outside.py").write_text(
        "from embedkit_connectors import MemorySource\n"
        "def numbers(upto: int = 3, *, word: str = 'n') -> MemorySource:\n"
        "    return MemorySource([f'{word} {i}' for i in range(upto)], name='numbers')\n"
    )
    info = tmp_path / "outside-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[embedkit.sources]\nnumbers = outside:numbers\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for spec, texts in {
        "numbers:2?word=the%20n": ["the n 0", "the n 1"],
        "numbers?word=x": ["x 0", "x 1", "x 2"],
        "numbers": ["n 0", "n 1", "n 2"],
    }.items():
        (batch,) = open_source(spec).batches()
        assert batch.table["text"].to_pylist() == texts


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (TABLE.encode(), [{"id": "1", "text": "a"}, {"id": "2", "text": "b"}]),
        (b'{"id": 1}\n', [{"id": 1}]),
        (b"just a line\nand, another\n", [{"text": "just a line"}, {"text": "and, another"}]),
        (gzip.compress(b"a\tb\n1\t2\n"), [{"a": "1", "b": "2"}]),
        ("id;t\n1;é\n".encode("utf-16"), [{"id": "1", "t": "é"}]),
    ],
    ids=["csv", "jsonl", "text", "gzip", "utf-16"],
)
def test_standard_input_of_every_format(stdin, content, rows):
    stdin(content)
    source = open_source("-")
    assert (source.name, source.label, source.stem) == ("-", "-", "stdin")
    assert [row for b in source.batches() for row in b.table.to_pylist()] == rows
    with pytest.raises(SourceError, match="only once"):
        list(source.batches())


def test_standard_input_with_a_named_format_and_an_empty_one(read, stdin):
    stdin(b"a;b,c\n1;2,3\n")
    assert read("csv:-?delimiter=%3B").rows == [{"a": "1", "b,c": "2,3"}]
    stdin(b"")
    with pytest.raises(SourceError, match="standard input is empty"):
        open_source("-")


@pytest.mark.slow
def test_a_large_standard_input_through_a_real_pipe():
    code = (
        "from embedkit_connectors import open_source\n"
        "print(sum(b.table.num_rows for b in open_source('-').batches()))"
    )
    content = b"id,text\n" + b"".join(b"%d,some text\n" % i for i in range(50_000))
    assert run_python(code, stdin=content) == "50000"


@pytest.mark.slow
def test_a_named_pipe_is_read_once(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = subprocess.Popen([sys.executable, "-c", f"open({str(path)!r}, 'w').write({TABLE!r})"])
    source = open_source(path)
    assert sum(b.table.num_rows for b in source.batches()) == 2
    assert writer.wait() == 0
    with pytest.raises(SourceError, match="only once"):
        list(source.batches())


def test_errors_are_one_clear_line(write, tmp_path):
    (tmp_path / "void").mkdir()
    bad = [
        tmp_path / "nope.csv",
        write("a.csv", b""),
        write("b.csv", bytes(range(256)) * 9),
        write("c.jsonl", "x\n"),
        write("d.parquet", b"PAR1 no"),
        tmp_path / "void",
    ]
    for path in bad:
        with pytest.raises(EmbedkitError) as caught:
            list(open_source(path).batches())
        assert "\n" not in str(caught.value)
        assert "; " in str(caught.value)


@pytest.mark.slow
def test_importing_the_package_loads_no_library():
    code = (
        "import sys, embedkit_connectors\n"
        "print(sorted({'numpy', 'pyarrow', 'pandas', 'polars', 'duckdb'} & set(sys.modules)))"
    )
    assert run_python(code) == "[]"


@pytest.mark.slow
def test_reading_files_loads_neither_pandas_nor_polars(write, tmp_path):
    paths = [write("a.csv", TABLE), write("a.txt", TABLE), write("a.jsonl", '{"a": true}')]
    pq.write_table(pa.table({"a": [1], "t": ["x"], "l": [[1]]}), tmp_path / "a.parquet")
    paths += [tmp_path / "a.parquet", tmp_path]
    code = (
        "import sys\nfrom embedkit_connectors import open_source\n"
        "for path in sys.argv[1:]: list(open_source(path).batches())\n"
        "list(open_source([{'a': 1, 'b': [True], 'c': None, 'd': 1.5}]).batches())\n"
        "print(sorted({'pandas', 'polars', 'duckdb'} & set(sys.modules)))"
    )
    assert run_python(code, *map(str, paths)) == "[]"


def test_everything_public_is_there():
    import embedkit_connectors

    for name in embedkit_connectors.__all__:
        assert getattr(embedkit_connectors, name).__name__ == name
    with pytest.raises(AttributeError):
        embedkit_connectors.nothing  # noqa: B018
    assert isinstance(Path(embedkit_connectors.__file__), Path)
