from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections import OrderedDict
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit_connectors.columns import canonical, from_values, unique_names

D = decimal.Decimal
PLAIN = {"bool", "int64", "double", "string", "date32[day]", "timestamp[us]"}
DAY = dt.date(2024, 5, 1)
NOON = dt.datetime(2024, 5, 1, 12)
PARIS = dt.timezone(dt.timedelta(hours=2))


@given(st.lists(st.text(max_size=4)))
def test_names_are_unique_whatever_their_case(names):
    unique = unique_names(names)
    assert len({name.casefold() for name in unique}) == len(names)
    assert all(name == name.strip() and name for name in unique)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array([1, None], pa.int8()), [1, None]),
        (pa.array([2**32 - 1], pa.uint32()), [2**32 - 1]),
        (pa.array([2**63 - 1], pa.uint64()), [2**63 - 1]),
        (pa.array([2**64 - 1, 1], pa.uint64()), ["18446744073709551615", "1"]),
        (pa.array([1.5], pa.float32()), [1.5]),
        (pa.array([1.5], pa.float16()), [1.5]),
        (pa.array([D("1.25"), None]), [1.25, None]),
        (pa.array([D("12")], pa.decimal128(38, 0)), [12]),
        (pa.array([D(2**70)], pa.decimal128(38, 0)), [str(2**70)]),
        (pa.array(["a", None], pa.large_string()), ["a", None]),
        (pa.array(["a", None], pa.string_view()), ["a", None]),
        (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
        (pa.array([[1]]), ["[1]"]),
        (pa.array([None], pa.null()), [None]),
        (pa.array([DAY], pa.date64()), [DAY]),
        (pa.array([NOON], pa.timestamp("s")), [NOON]),
        (pa.array([NOON], pa.timestamp("ns")), [NOON]),
        (
            pa.array([NOON.replace(tzinfo=PARIS)], pa.timestamp("ms", "Europe/Paris")),
            [NOON - dt.timedelta(hours=2)],
        ),
        (pa.array([1], pa.timestamp("ns")), [dt.datetime(1970, 1, 1)]),
        (pa.array([dt.time(1, 2)], pa.time32("s")), ["01:02:00"]),
        (pa.array([dt.timedelta(seconds=3)]), ["0:00:03"]),
        (pa.array([b"text"]), ["text"]),
        (pa.array([b"\xff\x00"]), ["/wA="]),
        (pa.array([b"ab"], pa.binary(2)), ["YWI="]),
        (pa.array([b"text"], pa.binary_view()), ["text"]),
        (pa.array([[1.0, float("nan")], None], pa.list_(pa.float32(), 2)), ["[1.0, null]", None]),
        (pa.array([{"a": DAY, "b": b"\xff"}]), ['{"a": "2024-05-01", "b": "/w=="}']),
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int8())), ['{"k": 1}']),
        (pa.RunEndEncodedArray.from_arrays([2], ["x"]), ["x", "x"]),
        (pa.array([uuid.UUID(int=1).bytes], pa.uuid()), [str(uuid.UUID(int=1))]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_arrow_columns_become_plain(array, expected):
    column, is_json = canonical(array)
    assert column.to_pylist() == expected
    assert str(column.type) in PLAIN
    nested = (pa.ListType, pa.FixedSizeListType, pa.StructType, pa.MapType)
    assert is_json == isinstance(array.type, nested)


@pytest.mark.parametrize(
    ("values", "expected", "kind"),
    [
        (["a", None], ["a", None], "string"),
        ([True, None], [True, None], "bool"),
        ([1, None], [1, None], "int64"),
        ([1, 2**70], ["1", str(2**70)], "string"),
        ([1.5, float("nan")], [1.5, None], "double"),
        ([1, 2.5, float("nan")], [1.0, 2.5, None], "double"),
        (["a", float("nan")], ["a", None], "string"),
        ([DAY, None], [DAY, None], "date32[day]"),
        ([NOON, DAY], [NOON, dt.datetime(2024, 5, 1)], "timestamp[us]"),
        ([NOON.replace(tzinfo=PARIS)], [NOON - dt.timedelta(hours=2)], "timestamp[us]"),
        ([D("1.5"), D("2")], [1.5, 2.0], "double"),
        ([np.int32(3), np.float32(0.5)], [3.0, 0.5], "double"),
        ([np.bool_(True)], [True], "bool"),
        ([np.str_("x")], ["x"], "string"),
        (
            [np.datetime64("2024-05-01T12:00", "ns"), np.datetime64("NaT")],
            [NOON, None],
            "timestamp[us]",
        ),
        ([np.array([1, 2])], ["[1, 2]"], "string"),
        ([(1, 2), [3]], ["[1, 2]", "[3]"], "string"),
        ([OrderedDict(a=DAY)], ['{"a": "2024-05-01"}'], "string"),
        ([uuid.UUID(int=1)], [str(uuid.UUID(int=1))], "string"),
        ([PurePosixPath("a/b")], ["a/b"], "string"),
        ([b"\xff"], ["/w=="], "string"),
        ([dt.time(1, 2)], ["01:02:00"], "string"),
        ([DAY, "x", 1], ["2024-05-01", "x", "1"], "string"),
        ([], [], "string"),
    ],
)
def test_python_values_become_plain(values, expected, kind):
    column, _ = from_values(values)
    assert column.to_pylist() == expected
    assert str(column.type) == kind
