from __future__ import annotations

import gzip
import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedkit.errors import SourceError
from embedkit_connectors import open_source


def lines(*rows) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_reads_objects_with_typed_columns(read, write):
    path = write("a.jsonl", lines({"id": 1, "text": "café", "ok": True, "x": 1.5}, {"id": 2}))
    found = read(path)
    assert found.rows == [
        {"id": 1, "text": "café", "ok": True, "x": 1.5},
        {"id": 2, "text": None, "ok": None, "x": None},
    ]
    assert found.lines == [1, 2]
    (batch,) = open_source(path).batches()
    assert [str(t) for t in batch.table.schema.types] == ["int64", "string", "bool", "double"]
    assert open_source(path).typed is True


def test_keys_of_all_lines_make_the_columns(read, write):
    found = read(write("a.ndjson", lines({"a": 1}, {"b": "x"}, {"c": None, "a": 2})))
    assert found.columns == ["a", "b", "c"]
    assert found.values("c") == [None, None, None]


def test_nested_values_become_json_text(write):
    path = write("a.jsonl", lines({"id": 1, "tags": ["ä", 1], "at": {"x": None}}))
    (batch,) = open_source(path).batches()
    assert json.loads(batch.table["tags"][0].as_py()) == ["ä", 1]
    assert json.loads(batch.table["at"][0].as_py()) == {"x": None}
    kinds = {f.name: (f.metadata or {}).get(b"embedkit.type") for f in batch.table.schema}
    assert kinds == {"id": None, "tags": b"json", "at": b"json"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2.5], [1.0, 2.5]),
        ([1, "x", True, 2.5], ["1", "x", "true", "2.5"]),
        (["x", {"a": 1}], ["x", '{"a": 1}']),
        ([1, 2**63], ["1", "9223372036854775808"]),
        ([2**53 + 1, 0.5], ["9007199254740993", "0.5"]),
        ([True, 1], ["true", "1"]),
        ([None, None], [None, None]),
    ],
)
def test_mixed_types_meet_in_one_that_holds_them(read, write, values, expected):
    assert read(write("a.jsonl", lines(*({"v": v} for v in values)))).values("v") == expected


def test_bad_lines_are_refused_with_the_position(read, write):
    content = (
        '{"a": 1}\n{"a": \n\n[1]\n"x"\n12\nnull\n{"a": 2} {"a": 3}\n{"a": 4}\r\n  {"a": 5}  \n'
    )
    found = read(write("a.jsonl", content))
    assert found.values("a") == [1, 4, 5]
    assert found.lines == [1, 9, 10]
    assert found.refused == {
        2: "expected a JSON object: Expecting value at character 8",
        4: "expected a JSON object, got an array",
        5: "expected a JSON object, got a string",
        6: "expected a JSON object, got a number",
        7: "expected a JSON object, got null",
        8: "expected a JSON object: Extra data at character 10",
    }


def test_nan_is_null_and_infinity_a_number(read, write):
    content = '{"a": NaN, "b": Infinity, "c": [NaN, -Infinity]}\n{"a": 1.5, "b": 1, "c": []}\n'
    found = read(write("a.jsonl", content))
    assert found.values("a") == [None, 1.5]
    assert found.values("b") == [math.inf, 1.0]
    assert found.values("c") == ["[null, null]", "[]"]


@pytest.mark.parametrize(
    "bad",
    [
        b'{"a": "\\ud800"}',
        b'{"a": "caf\xe9"}',
        b'{"\\udfff": 1}',
        b'{"a": [["\\ud800"]]}',
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a": ' + b"1" * 5000 + b"}",
        b'{"a": "x\0y"}',
    ],
    ids=["surrogate", "bytes", "key", "nested", "deep", "digits", "nul"],
)
def test_a_line_that_is_no_text_is_refused_and_the_rest_goes_on(read, write, bad):
    found = read(write("a.jsonl", '{"a": "é"}\n'.encode() + bad + b'\n{"a": "ok"}\n'))
    assert found.values("a") == ["é", "ok"]
    assert list(found.refused) == [2]


def test_key_names_are_told_apart(read, write):
    found = read(write("a.jsonl", '{"Text": 1, "text": 2, "": 3}\n'))
    assert found.rows == [{"Text": 1, "text_2": 2, "column_3": 3}]


@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_of_objects(read, write, indent):
    rows = [{"id": i, "text": "a\nb ] }"} for i in range(3)]
    found = read(write("a.json", json.dumps([*rows, 5], indent=indent)))
    assert found.rows == rows
    assert [r.reason for r in found.rejects] == ["expected a JSON object, got a number"]
    if indent:
        assert found.lines == [2, 6, 10]


def test_objects_over_several_lines(read, write):
    content = "\n".join(json.dumps({"id": i, "n": [i]}, indent=1) for i in range(3))
    found = read(write("a.json", content))
    assert found.values("id") == [0, 1, 2]
    assert found.lines == [1, 7, 13]


def test_an_array_that_is_cut_or_faulty_yields_what_is_before_and_is_an_error(
    read_until_damage, write
):
    content = json.dumps([{"id": i, "text": "x" * 1000} for i in range(1000)], indent=1)
    found, error = read_until_damage(write("a.json", content[:-500]))
    assert len(found.rows) == 999
    assert "line 3,998" in str(error)
    _, error = read_until_damage(write("b.json", '[{"a": 1}, {"a": oops}]'))
    assert "JSON Lines" in str(error)
    found, error = read_until_damage(write("c.json", '[{"a": 1}'))
    assert found.values("a") == [1]
    assert "not closed" in str(error)
    _, error = read_until_damage(write("d.json", "[1, 2]\n[3]\n"))
    assert "more after it in line 2" in str(error)


def test_what_is_no_json_at_all_is_an_error(read, write):
    with pytest.raises(SourceError, match=r"expected a JSON object a line .* got 'id,text'"):
        read(write("a.jsonl", "id,text\n1,a\n"))


@pytest.mark.parametrize("content", ["", "\n\n", "[]", "{}\n"])
def test_without_rows_or_columns(read, write, content):
    path = write("a.jsonl", content)
    if content.strip():
        assert [row for row in read(path).rows if any(row.values())] == []
    else:
        with pytest.raises(SourceError, match="is empty"):
            read(path)


def test_gzip_and_damage(read, read_until_damage, write):
    rows = [{"id": i, "text": f"row {i * 7919 % 1000}"} for i in range(20_000)]
    packed = gzip.compress(lines(*rows).encode())
    assert len(read(write("a.jsonl.gz", packed)).rows) == 20_000
    found, error = read_until_damage(write("b.jsonl.gz", packed[: len(packed) // 2]))
    assert found.rows == rows[: len(found.rows)]
    assert f"after line {len(found.rows):,}" in str(error)
    assert len(found.rows) > 1000


def test_ten_megabytes_in_one_value(read, write):
    text = "x" * 10_000_000
    assert read(write("a.jsonl", lines({"a": text}, {"a": "y"}))).values("a") == [text, "y"]
    assert read(write("a.json", json.dumps([{"a": text}]))).values("a") == [text]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(st.dictionaries(st.sampled_from("abc"), values, max_size=3), max_size=5))
def test_any_objects_are_read_without_a_reject(read, write, rows):
    path = write("a.jsonl", lines(*rows) + '{"z": 1}\n')
    found = read(path)
    assert found.rejects == []
    assert found.lines == list(range(1, len(rows) + 2))
    for row, got in zip(rows, found.rows, strict=False):
        for key, value in row.items():
            if isinstance(value, str):
                assert got[key] in (value, json.dumps(value, ensure_ascii=False))
            if value is None:
                assert got[key] is None
