"""Read a whole source into temporary tables, so that plans are set operations over all of it.

``raw`` holds the rows as the source gave them, ``staged`` the ones that make a record (n, line,
id, text and the metadata columns), ``rejects`` the others with their reason. DuckDB keeps them in
bounded memory and spills to disk, so a source may be of any size and is read only once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.errors import SourceError
from embedkit.ingest.arrivals import Arrivals
from embedkit.ingest.choose import Choice, Sample, choose, likely_ids
from embedkit.protocols import Source, SourceBatch
from embedkit.store.columns import Column, future_columns, infer_type, read_columns, unite
from embedkit.store.database import Connection, scalar

if TYPE_CHECKING:
    import pyarrow as pa

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done and how much there is (0: unknown)."""

_SAMPLE_ROWS = 500


class _Values(Sequence[str]):
    """Texts that are read when the first of them is asked for."""

    def __init__(self, read: Callable[[], list[str]]) -> None:
        self._read = read

    @functools.cached_property
    def _values(self) -> list[str]:
        return self._read()

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, place: Any) -> Any:
        return self._values[place]


class Stage:
    """The temporary tables of one run.

    Attributes
    ----------
    choice : Choice
    columns : list of Column
        The metadata columns of the staged rows, with the types that the records will have.
    rows : int
        Rows read, the unreadable ones included.
    """

    def __init__(self, connection: Connection, source: Source) -> None:
        self.connection = connection
        self.source = source
        self.choice = Choice((), None)
        self.columns: list[Column] = []
        self.known: list[Column] = []
        """The metadata columns that the records have now."""
        self.rows = 0
        self.unread = 0
        """Rows of which not even the id is known."""
        self._made = False
        self._raw: dict[str, str] = {}
        self._spelled: dict[str, str] = {}
        """The first spelling of each column's name, by the name without case."""
        self._arriving = Arrivals(connection, "raw")
        self._rejected = Arrivals(connection, "rejects")

    def load(
        self,
        *,
        text: Sequence[str] | None,
        id: str | None,
        remembered: Choice | None,
        progress: Progress | None = None,
    ) -> None:
        """Read the source and settle what each row is.

        Raises
        ------
        SourceError, ColumnError
        """
        self.connection.execute(
            "CREATE OR REPLACE TEMP TABLE rejects"
            " (line BIGINT, reason VARCHAR, excerpt VARCHAR, id VARCHAR)"
        )
        chosen = False
        for batch in self.source.batches():
            self._take(batch)
            if not chosen and batch.table.num_rows:
                self._flush()
                self.choice = choose(self._samples(), text=text, id=id, remembered=remembered)
                chosen = True
            if progress is not None:
                progress("reading", self.rows, 0)
        self._flush()
        if not chosen:
            self._nothing()
        self._settle()

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed that a person should know."""
        likely = likely_ids(list(self._raw)) if self.choice.id is None else []
        if not likely:
            return self.source.notes
        return (
            *self.source.notes,
            f"ids are made of the texts; if {likely[0]!r} identifies the records, say so with "
            f"--id {likely[0]}",
        )

    def _nothing(self) -> None:
        if self.rows:
            reason = scalar(self.connection, "SELECT first(reason ORDER BY line) FROM rejects")
            raise SourceError(
                f"{self.source.label}: none of its {self.rows:,} rows could be read",
                do=f"the first one: {reason}",
            )
        raise SourceError(
            f"{self.source.label} has no rows", do="nothing was changed; is it the right file?"
        )

    def _take(self, batch: SourceBatch) -> None:
        import pyarrow as pa

        table = batch.table
        names = self._prepare(table)
        first = self.rows
        self.rows += table.num_rows + len(batch.rejects)
        self.unread += sum(reject.id is None for reject in batch.rejects)
        if table.num_rows:
            numbers = pa.array(np.arange(first, first + table.num_rows))
            arrays = [numbers, pa.array(np.asarray(batch.lines, np.int64)), *table.columns]
            self._arriving.add(pa.table(arrays, names=["n", "line", *names]))
        if batch.rejects:
            rejects = [asdict(reject) for reject in batch.rejects]
            self._rejected.add(pa.Table.from_pylist(rejects, schema=_rejects_schema()))

    def _flush(self) -> None:
        self._arriving.flush()
        self._rejected.flush()

    def _prepare(self, table: pa.RecordBatch) -> list[str]:
        """Make ``raw`` fit the batch and return its names for the batch's columns."""
        names = []
        if not self._made and len(table.schema):
            self._make(table)
        for field in table.schema:
            kind = sql_type(field)
            name = self._spelled.setdefault(field.name.casefold(), field.name)
            known = self._raw.get(name)
            if known != kind:
                self._flush()
            if known is None:
                physical = f"c{len(self._raw)}"
                self.connection.execute(f"ALTER TABLE raw ADD COLUMN {physical} {kind}")
                self._raw[name] = kind
            elif unite(known, kind) != known:
                self._raw[name] = unite(known, kind)
                self.connection.execute(
                    f"ALTER TABLE raw ALTER {self._physical(name)} TYPE {unite(known, kind)}"
                )
            names.append(self._physical(name))
        return names

    def _make(self, table: pa.RecordBatch) -> None:
        """Make ``raw`` with the columns of the first batch: adding them one by one takes longer."""
        columns = ["n BIGINT", "line BIGINT"]
        for field in table.schema:
            name = self._spelled.setdefault(field.name.casefold(), field.name)
            if name not in self._raw:
                self._raw[name] = sql_type(field)
                columns.append(f"{self._physical(name)} {self._raw[name]}")
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE raw ({', '.join(columns)})")
        self._made = True

    def _physical(self, name: str) -> str:
        return f"c{list(self._raw).index(name)}"

    def _samples(self) -> list[Sample]:
        # Where names are enough to choose by, no value is looked at.
        return [
            Sample(name, kind, _Values(functools.partial(self._sample_of, self._physical(name))))
            for name, kind in self._raw.items()
        ]

    def _sample_of(self, column: str) -> list[str]:
        rows = self.connection.execute(
            f"SELECT left(CAST({column} AS VARCHAR), 300) FROM"
            f" (SELECT {column} FROM raw WHERE trim(CAST({column} AS VARCHAR)) <> ''"
            f" ORDER BY n LIMIT {_SAMPLE_ROWS})"
        ).fetchall()
        return [row[0] for row in rows]

    # -- from raw rows to records ---------------------------------------------------------------

    def _settle(self) -> None:
        wanted = self._metadata()
        self.known = read_columns(self.connection)
        self.columns = future_columns(self.known, wanted)
        selected = [
            "n",
            "line",
            f"{self._id()} AS id",
            f"{self._text()} AS text",
            *(
                f"{self._value(name, column)} AS {column.physical}"
                for name, column in zip(wanted, self.columns, strict=True)
            ),
        ]
        self.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE staged AS SELECT {', '.join(selected)} FROM raw"
        )
        self.connection.execute("DROP TABLE raw")
        named = self.choice.id is not None
        no_id, no_text, again = self.connection.execute(
            "SELECT count(*) FILTER (id IS NULL), count(*) FILTER (text IS NULL),"
            " count(id) - count(DISTINCT id) FROM staged"
        ).fetchall()[0]
        if named and no_id:
            self._reject("id IS NULL", "'the id is empty'")
        if no_text:
            self._reject("text IS NULL", "'the text is empty'")
        if not named:
            self._derive_ids()
        elif again:
            self._reject_duplicates()

    def _metadata(self) -> dict[str, str | None]:
        """Return the metadata columns of the source and their types, None where all are empty."""
        wanted: dict[str, str | None] = {}
        for name, kind in self._raw.items():
            if name in self.choice.own:
                continue
            found: str | None = kind
            if kind == "VARCHAR" and not self.source.typed:
                found = infer_type(self.connection, "raw", self._physical(name))
            elif kind == "VARCHAR" and not self._any_value(name):
                found = None
            wanted[name] = found
        return wanted

    def _any_value(self, name: str) -> bool:
        column = self._physical(name)
        query = f"SELECT 1 FROM raw WHERE {column} IS NOT NULL LIMIT 1"
        return scalar(self.connection, query) is not None

    def _value(self, name: str, column: Column) -> str:
        raw = self._physical(name)
        kind = self._raw[name]
        if kind == "DOUBLE":
            # Not a number is no value: JSON cannot say it and no filter means it.
            raw = f"CASE WHEN isfinite({raw}) THEN {raw} END"
        if not self.source.typed:
            raw = f"nullif({raw}, '')"
        return f"CAST({raw} AS {column.type})"

    def _text(self) -> str:
        parts = [f"CAST({self._physical(name)} AS VARCHAR)" for name in self.choice.text]
        if len(parts) == 1:
            return f"CASE WHEN {_blank(parts[0])} THEN NULL ELSE {parts[0]} END"
        kept = ", ".join(f"CASE WHEN {_blank(part)} THEN NULL ELSE {part} END" for part in parts)
        return f"nullif(concat_ws(chr(10), {kept}), '')"

    def _id(self) -> str:
        if self.choice.id is None:
            return "CAST(NULL AS VARCHAR)"
        raw = self._physical(self.choice.id)
        text = f"CAST({raw} AS VARCHAR)"
        if self._raw[self.choice.id] == "DOUBLE":
            # Whole numbers come as floats where a value is missing; they are the same ids.
            whole = f"{raw} = floor({raw}) AND abs({raw}) < 1e15"
            text = f"CASE WHEN {whole} THEN CAST(CAST({raw} AS BIGINT) AS VARCHAR) ELSE {text} END"
        return f"nullif(trim({text}), '')"

    def _reject(self, condition: str, reason: str) -> None:
        self.connection.execute(
            f"INSERT INTO rejects SELECT line, {reason}, {_EXCERPT}, id FROM staged"
            f" WHERE {condition} ORDER BY n"
        )
        if "id IS NULL" in condition:
            query = f"SELECT count(*) FROM staged WHERE {condition}"
            self.unread += int(scalar(self.connection, query))
        self.connection.execute(f"DELETE FROM staged WHERE {condition}")

    def _reject_duplicates(self) -> None:
        self.connection.execute(
            "CREATE OR REPLACE TEMP TABLE again AS SELECT n, first_line FROM (SELECT n,"
            " row_number() OVER same AS place, first_value(line) OVER same AS first_line"
            " FROM staged WINDOW same AS (PARTITION BY id ORDER BY n)) WHERE place > 1"
        )
        self.connection.execute(
            "INSERT INTO rejects SELECT line, 'the id ' || id || ' is already on line '"
            f" || first_line, {_EXCERPT}, id FROM staged JOIN again USING (n) ORDER BY n"
        )
        self.connection.execute("DELETE FROM staged WHERE n IN (SELECT n FROM again)")

    def _derive_ids(self) -> None:
        self.connection.execute("UPDATE staged SET id = left(sha256(text), 16)")
        self.connection.execute(
            "UPDATE staged SET id = staged.id || '-' || place FROM (SELECT n,"
            " row_number() OVER (PARTITION BY id ORDER BY n) AS place FROM staged) AS counted"
            " WHERE counted.n = staged.n AND place > 1"
        )


def _rejects_schema() -> pa.Schema:
    import pyarrow as pa

    text = pa.string()
    return pa.schema([("line", pa.int64()), ("reason", text), ("excerpt", text), ("id", text)])


_EXCERPT = "coalesce(left(text, 80), '')"


def _blank(expression: str) -> str:
    return f"coalesce(regexp_full_match({expression}, '[\\s\\p{{Z}}]*'), true)"


def sql_type(field: pa.Field) -> str:
    """Return the SQL type of an Arrow field of a source's batch."""
    if (field.metadata or {}).get(b"embedkit.type") == b"json":
        return "JSON"
    plain = {
        "bool": "BOOLEAN",
        "int64": "BIGINT",
        "double": "DOUBLE",
        "date32[day]": "DATE",
        "timestamp[us]": "TIMESTAMP",
    }
    return plain.get(str(field.type), "VARCHAR")
