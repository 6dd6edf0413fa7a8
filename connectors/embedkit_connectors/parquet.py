"""Apache Parquet files, typed columns, a row group at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from embedkit.errors import SourceError, UnsupportedOperationError
from embedkit_connectors.batch import BATCH_BYTES, BATCH_ROWS, Batch
from embedkit_connectors.files import FileSource
from embedkit_connectors.inputs import GZIP, Input
from embedkit_connectors.memory import batch_of_arrow, no_rows


class ParquetSource(FileSource):
    """The rows of a Parquet file. Lines are row numbers, from 1.

    Parameters
    ----------
    path : str or Path
        A file: Parquet is read from its end, so standard input will not do.
    """

    def __init__(self, path: str | Path | Input) -> None:
        super().__init__(path)

    def batches(self) -> Iterator[Batch]:
        """Yield the rows in batches; see :class:`embedkit.protocols.Source`.

        Raises
        ------
        SourceError
            A source that is missing or damaged; in the last case after all rows before the damage.
        UnsupportedOperationError
            Standard input.
        """
        path = self._path()
        row = 1
        try:
            with pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=True) as file:
                for table in _tables(file):
                    yield batch_of_arrow(table, row)
                    row += table.num_rows
                if row - 1 != file.metadata.num_rows:
                    raise pa.ArrowInvalid(f"it should have {file.metadata.num_rows:,} rows")
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            where = f" after row {row - 1:,}" if row > 1 else ""
            reason = str(error).partition("\n")[0]
            raise SourceError(
                f"{self.label} is no sound Parquet file{where}: {reason}", do="get the file again"
            ) from error

    def originals(self) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Return the file's own schema and rows, in its own types, to write them again."""
        path = self._path()

        def batches() -> Iterator[pa.RecordBatch]:
            with pq.ParquetFile(path, pre_buffer=False) as file:
                yield from _tables(file)

        return pq.read_schema(path), batches()

    def _path(self) -> Path:
        head = self.input.peek()
        if self.input.path is None:
            raise UnsupportedOperationError(
                "Parquet cannot be read from standard input", do="save it to a file first"
            )
        with self.input.path.open("rb") as file:  # peek unpacks
            packed = file.read(2) == GZIP
        if packed:
            raise SourceError(
                f"{self.label} is Parquet within gzip", do="unpack it first: gunzip FILE"
            )
        if not head.startswith(b"PAR1"):
            raise SourceError(f"expected a Parquet file, got something else: {self.label}")
        return self.input.path


def _tables(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    """Yield batches, of few rows where rows are large."""
    empty = True
    for group in range(file.num_row_groups):
        metadata = file.metadata.row_group(group)
        width = metadata.total_byte_size / max(metadata.num_rows, 1)
        size = max(1, min(BATCH_ROWS, int(BATCH_BYTES / max(width, 1))))
        for batch in file.iter_batches(batch_size=size, row_groups=[group]):
            if batch.num_rows:
                empty = False
                yield batch
    if empty:
        yield no_rows(file.schema_arrow)
