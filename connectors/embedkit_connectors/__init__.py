"""Sources: where records come from.

::

    from embedkit_connectors import open_source

    for batch in open_source("questions.csv.gz").batches():
        print(batch.table.num_rows, list(batch.lines[:3]), batch.rejects)

Importing this package loads no library; the first use of a name loads what that name needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embedkit_connectors.batch import Batch
    from embedkit_connectors.delimited import DelimitedSource
    from embedkit_connectors.jsonl import JsonLinesSource
    from embedkit_connectors.memory import MemorySource
    from embedkit_connectors.open import open_source
    from embedkit_connectors.parquet import ParquetSource
    from embedkit_connectors.text import FolderSource, TextSource

_WHERE = {
    "Batch": "batch",
    "DelimitedSource": "delimited",
    "FolderSource": "text",
    "JsonLinesSource": "jsonl",
    "MemorySource": "memory",
    "ParquetSource": "parquet",
    "TextSource": "text",
    "open_source": "open",
}

__all__ = [
    "Batch",
    "DelimitedSource",
    "FolderSource",
    "JsonLinesSource",
    "MemorySource",
    "ParquetSource",
    "TextSource",
    "open_source",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'embedkit_connectors' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"embedkit_connectors.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
