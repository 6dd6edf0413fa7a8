from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from embedkit.errors import EmbedkitError
from embedkit.types import Reject
from embedkit_connectors import open_source


class Read(NamedTuple):
    columns: list[str]
    rows: list[dict[str, Any]]
    lines: list[int]
    rejects: list[Reject]

    @property
    def refused(self) -> dict[int, str]:
        return {reject.line: reject.reason for reject in self.rejects}

    def values(self, column: str) -> list[Any]:
        return [row[column] for row in self.rows]


def collect(batches: Any) -> Read:
    columns: dict[str, None] = {}
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    rejects: list[Reject] = []
    count = 0
    for batch in batches:
        count += 1
        assert len(batch.lines) == batch.table.num_rows
        batch.table.validate(full=True)
        columns.update(dict.fromkeys(batch.table.schema.names))
        rows += batch.table.to_pylist()
        lines += batch.lines.tolist()
        rejects += batch.rejects
    assert count >= 1
    assert all(len(r.excerpt) <= 80 and r.excerpt.isprintable() for r in rejects)
    assert [r.line for r in rejects] == sorted(r.line for r in rejects)
    assert lines == sorted(lines)
    return Read(list(columns), rows, lines, rejects)


@pytest.fixture
def read() -> Callable[[Any], Read]:
    """Read a source whole, checking what holds for every source."""
    return lambda data: collect(open_source(data).batches())


@pytest.fixture
def read_until_damage() -> Callable[[Any], tuple[Read, EmbedkitError]]:
    """Read a source up to its error; return the rows before it and the error."""

    def run(data: Any) -> tuple[Read, EmbedkitError]:
        batches: list[Any] = []
        with pytest.raises(EmbedkitError) as caught:
            batches.extend(_noting(open_source(data).batches(), batches))
        found = collect(batches) if batches else Read([], [], [], [])
        assert "\n" not in str(caught.value)
        return found, caught.value

    return run


def _noting(source: Any, noted: list[Any]) -> Sequence[Any]:
    for batch in source:
        noted.append(batch)
    return ()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write bytes or text to a file and return its path."""

    def run(name: str, content: bytes | str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return run


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Put bytes on standard input."""

    def run(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return run
