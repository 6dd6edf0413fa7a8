from __future__ import annotations

import gzip
import os

import pytest

from embedkit.errors import SourceError, SourceNotFoundError
from embedkit_connectors import open_source


def test_a_record_a_line_without_the_blank_ones(read, write):
    path = write("a.txt", "\nfirst, line\n  second \n\n   \nthird\r\nfourth")
    found = read(path)
    assert found.columns == ["text"]
    assert found.values("text") == ["first, line", "  second ", "third", "fourth"]
    assert found.lines == [2, 3, 6, 7]


def test_encodings_and_bad_bytes(read, write):
    assert read(write("a.txt", "café\n".encode("cp1252"))).values("text") == ["café"]
    assert read(write("b.txt", "café\n".encode("utf-16"))).values("text") == ["café"]
    found = read(write("c.txt", "café, naïve, Größe\n".encode() + b"caf\xe9\na\0b\nend\n"))
    assert found.values("text") == ["café, naïve, Größe", "end"]
    assert sorted(found.refused) == [2, 3]


def test_many_lines_come_in_batches(write):
    path = write("a.txt.gz", gzip.compress("".join(f"line {i}\n" for i in range(25_000)).encode()))
    batches = list(open_source(path).batches())
    assert max(b.table.num_rows for b in batches) <= 10_000
    assert [text for b in batches for text in b.table["text"].to_pylist()] == [
        f"line {i}" for i in range(25_000)
    ]


def test_damage_comes_after_the_lines_before(read_until_damage, write):
    packed = gzip.compress("".join(f"line {i * i}\n" for i in range(30_000)).encode())
    found, error = read_until_damage(write("a.txt.gz", packed[:-2000]))
    assert len(found.rows) > 10_000
    assert f"after line {len(found.rows):,}" in str(error)


def test_a_folder_is_a_record_a_file(read, write, tmp_path):
    write("docs/b.md", "# B\n")
    write("docs/a.txt", b"\xef\xbb\xbfcaf\xc3\xa9\r\nsecond line")
    write("docs/sub/deep/c.rst", "c".encode("utf-16"))
    write("docs/sub/old.text", "Größe".encode("cp1252"))
    write("docs/table.csv", "id,text\n")
    write("docs/.hidden.txt", "no")
    write("docs/.git/d.txt", "no")
    source = open_source(tmp_path / "docs")
    assert source.stem == "docs"
    found = read(tmp_path / "docs")
    assert found.columns == ["id", "text", "path", "size"]
    assert [(row["id"], row["text"]) for row in found.rows] == [
        ("a.txt", "café\r\nsecond line"),
        ("b.md", "# B\n"),
        ("sub/old.text", "Größe"),
        ("sub/deep/c.rst", "c"),
    ]
    assert found.values("size") == [21, 4, 5, 4]
    assert found.rejects == []


def test_bad_files_in_a_folder_are_refused_by_name(read, write, tmp_path):
    write("docs/a.txt", "fine")
    write("docs/b.txt", bytes(range(256)))
    write("docs/c.txt", gzip.compress(b"cut" * 1000)[:-9])
    (tmp_path / "docs/d.txt").symlink_to("nowhere")
    os.mkfifo(tmp_path / "docs/e.txt")
    os.link(tmp_path / "docs/a.txt", os.fsencode(tmp_path / "docs") + b"/f\xff.txt")
    write("docs/g.txt", "これは質問です".encode("shift_jis"))
    write("docs/h.txt", "last")
    found = read(tmp_path / "docs")
    assert found.values("id") == ["a.txt", "h.txt"]
    assert {r.id: r.reason.split(",")[0] for r in found.rejects} == {
        "b.txt": "expected text",
        "c.txt": "c.txt is damaged: its gzip data ends early",
        "d.txt": "expected a file",
        "e.txt": "expected a file",
        "f\\xff.txt": "expected a file name in UTF-8",
        "g.txt": "expected UTF-8 text",
    }
    assert found.lines == [1, 8]


def test_links_in_a_circle_end(read, write, tmp_path):
    write("docs/sub/a.txt", "fine")
    (tmp_path / "docs/sub/loop").symlink_to(tmp_path / "docs")
    assert read(tmp_path / "docs").values("id") == ["sub/a.txt"]


def test_a_folder_without_text_files_is_an_error(read, write, tmp_path):
    write("data/q.csv", "id,text\n1,a\n")
    with pytest.raises(SourceError, match=r"\.txt, \.md, .* found none; to read .*q\.csv"):
        read(tmp_path / "data")
    (tmp_path / "void").mkdir()
    with pytest.raises(SourceError, match="found none; name a file"):
        read(tmp_path / "void")
    with pytest.raises(SourceError, match="got the file"):
        read(f"folder:{tmp_path / 'data' / 'q.csv'}")
    with pytest.raises(SourceNotFoundError):
        read(f"folder:{tmp_path / 'nope'}")


def test_a_folder_can_be_read_again_and_has_a_lasting_name(write, tmp_path, monkeypatch):
    write("docs/a.txt", "fine")
    monkeypatch.chdir(tmp_path)
    source = open_source("docs")
    assert source.label == "docs"
    assert source.name == str((tmp_path / "docs").resolve())
    assert [b.table for b in source.batches()] == [b.table for b in source.batches()]
