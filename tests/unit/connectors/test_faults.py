"""Whatever happens to a file, only errors of ours leave, and what is yielded is sound."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedkit import errors
from embedkit_connectors import open_source

ROWS = [
    (i, f"question {i}, é “why”?" if i % 3 else f'say "hi"\nthere {i}', f"topic {i % 5}")
    for i in range(60)
]
PIECES = [b'"', b"\n", b"\r", b"\0", b",", b"\xff", b"\\", b"{", b"]", b"\xf0\x9f"]


def table() -> str:
    out = io.StringIO()
    csv.writer(out).writerows([("id", "text", "topic"), *ROWS])
    return out.getvalue()


def objects() -> list[dict]:
    return [dict(zip("abc", row, strict=True)) for row in ROWS]


def parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(objects()), out, row_group_size=20)
    return out.getvalue()


FILES = {
    "a.csv": table().encode(),
    "utf16.csv": table().encode("utf-16"),
    "cp1252.csv": table().encode("cp1252"),
    "packed.csv.gz": gzip.compress(table().encode()),
    "a.tsv": table().replace(",", "\t").encode(),
    "a.jsonl": "".join(json.dumps(o, ensure_ascii=False) + "\n" for o in objects()).encode(),
    "a.json": json.dumps(objects(), indent=1).encode(),
    "a.txt": table().encode(),
    "noname": table().encode(),
    "a.parquet": parquet(),
}


def damaged(content: bytes, rng: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(rng.choice([1, 2, 5, 40])):
        where = rng.randrange(len(data))
        match rng.randrange(5):
            case 0 | 1:
                data[where] = rng.randrange(256)
            case 2:
                del data[where : where + rng.choice([1, 3, 50])]
            case 3:
                data[where:where] = rng.choice(PIECES)
            case 4 if rng.random() < 0.1:
                del data[where:]
        data = data or bytearray(b"x")
    return bytes(data)


@pytest.mark.parametrize("name", FILES)
def test_random_damage_never_raises_what_is_not_ours(write, name):
    rng = random.Random(name)
    refused: list[errors.EmbedkitError] = []
    for _ in range(60):
        path = write(name, damaged(FILES[name], rng))
        try:
            for batch in open_source(path).batches():
                batch.table.validate(full=True)
                assert len(batch.lines) == batch.table.num_rows
        except errors.EmbedkitError as error:
            refused.append(error)
    assert {type(error).__module__ for error in refused} <= {"embedkit.errors"}
    assert not any("\n" in str(error) for error in refused)


@pytest.mark.parametrize("name", [n for n in FILES if n not in ("a.txt", "noname")])
def test_the_undamaged_files_are_read_whole(read, write, name):
    found = read(write(name, FILES[name]))
    assert len(found.rows) == len(ROWS)
    assert found.rejects == []
