"""Records are found by the row of their vector, whether a block of them is in memory or not."""

from __future__ import annotations

from datetime import date, datetime

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedkit.store import records as module
from embedkit.store.columns import Column
from embedkit.store.records import Records
from embedkit.types import Record

COLUMNS = [
    Column("m0", "votes", "BIGINT"),
    Column("m1", "day", "DATE"),
    Column("m2", "at", "TIMESTAMP"),
    Column("m3", "tags", "JSON"),
    Column("m4", "ok", "BOOLEAN"),
]


@pytest.fixture
def connection():
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE records (seq BIGINT, id VARCHAR, text VARCHAR, row BIGINT,"
            " m0 BIGINT, m1 DATE, m2 TIMESTAMP, m3 JSON, m4 BOOLEAN)"
        )
        yield connection


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 4)


def fill(connection, rows):
    connection.execute("DELETE FROM records")
    for seq, row in rows:
        connection.execute(
            "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                seq,
                f"id{seq}",
                f"text {seq}",
                row,
                seq if seq % 3 else None,
                date(2026, 1, 1 + seq % 28),
                datetime(2026, 1, 1, seq % 24, 30),
                f'["{seq}"]',
                seq % 2 == 0,
            ],
        )


def expected(seq):
    return Record(
        f"id{seq}",
        f"text {seq}",
        {
            "votes": seq if seq % 3 else None,
            "day": date(2026, 1, 1 + seq % 28),
            "at": datetime(2026, 1, 1, seq % 24, 30),
            "tags": [str(seq)],
            "ok": seq % 2 == 0,
        },
    )


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    rows=st.dictionaries(st.integers(0, 40), st.integers(0, 12), max_size=20),
    order=st.randoms(use_true_random=False),
    asked=st.lists(st.sets(st.integers(0, 14)), max_size=6),
    limit=st.integers(1, 4),
    among=st.none() | st.sets(st.integers(0, 45)),
)
def test_records_of_rows(connection, small_blocks, rows, order, asked, limit, among):
    """In whatever order they lie in the database, and however often they were asked for."""
    pairs = list(rows.items())
    order.shuffle(pairs)
    fill(connection, pairs)
    records = Records(lambda: connection, COLUMNS)
    live = records.live(13)
    assert set(live.nonzero()[0].tolist()) == set(rows.values())
    chosen = None if among is None else np.array(sorted(among), np.int64)
    for wanted in asked:
        truth = []
        for row in wanted:
            having = sorted(seq for seq, other in rows.items() if other == row)
            truth += [(s, row) for s in having if among is None or s in among][:limit]
        got = records.of_rows(sorted(wanted), limit, chosen)
        assert got == sorted(truth)
        found = records.fetch([seq for seq, _ in got])
        assert found == {seq: expected(seq) for seq, _ in got}


def test_a_block_is_read_when_it_is_missed_again(connection, small_blocks):
    fill(connection, [(seq, seq) for seq in range(12)])
    records = Records(lambda: connection, COLUMNS)
    records.fetch([0, 5])
    assert not records._blocks, "one search reads no more than its hits"
    records.fetch([1, 6])
    records.fetch([2, 7])
    connection.execute("DROP TABLE records")
    assert records.fetch([3, 0, 4, 7]) == {seq: expected(seq) for seq in (3, 0, 4, 7)}


def test_blocks_take_no_more_memory_than_they_may(connection, small_blocks, monkeypatch):
    fill(connection, [(seq, seq) for seq in range(12)])
    monkeypatch.setattr(module, "KEPT_BYTES", 1)
    records = Records(lambda: connection, COLUMNS)
    for _ in range(4):
        assert records.fetch(range(12)) == {seq: expected(seq) for seq in range(12)}
    assert len(records._blocks) == 1


def test_large_records_are_not_kept(connection, small_blocks, monkeypatch):
    fill(connection, [(seq, seq) for seq in range(12)])
    monkeypatch.setattr(module, "LARGE", 3)
    records = Records(lambda: connection, COLUMNS)
    for _ in range(4):
        assert records.fetch([1]) == {1: expected(1)}
    assert not records._blocks
