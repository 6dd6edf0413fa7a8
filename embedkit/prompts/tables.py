"""The rows of a source as inputs of a template, and its answers beside them."""

from __future__ import annotations

import contextlib
import difflib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from embedkit.errors import ColumnError, SourceError
from embedkit.prompts.inputs import Variable
from embedkit.prompts.running import Answered, Input, Runner
from embedkit.prompts.template import PromptTemplate
from embedkit.protocols import Source
from embedkit.types import Reject

if TYPE_CHECKING:
    from embedkit.ingest.stage import Progress

ADDED = ("answer", "problem")
"""Columns that are added: the answer as its check reads it, and why there is none."""
REJECTS = 1000
"""Rows without an answer that are remembered."""
BATCH = 256
"""Rows that are written together."""


@dataclass(slots=True)
class PromptReport:
    """What a run over a source did.

    Attributes
    ----------
    source, out, template, model_id : str
    rows : int
        All of the source.
    answered, failed : int
        Rows with an answer that passes, and those without; ``rejects`` lists the latter.
    asked, kept : int
        Answers that were asked for now, and those kept from before.
    prompt_tokens, completion_tokens : int
        Of all answers, as far as the generator tells.
    """

    source: str
    out: str
    template: str
    model_id: str
    rows: int = 0
    answered: int = 0
    failed: int = 0
    asked: int = 0
    kept: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    rejects: list[Reject] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def count(self, found: Answered, excerpt: str = "") -> None:
        """Count one row."""
        self.rows += 1
        self.answered += found.passed
        self.failed += not found.passed
        self.asked += found.asked
        self.kept += found.attempts - found.asked if found.passed or found.text else 0
        self.prompt_tokens += found.prompt_tokens
        self.completion_tokens += found.completion_tokens
        if not found.passed and len(self.rejects) < REJECTS:
            self.rejects.append(Reject(found.line, found.reason, excerpt[:80]))


class Columns:
    """Which column an input is read from.

    Parameters
    ----------
    template : PromptTemplate
    mapping : mapping of input to column
        As asked for. Another input that has to be given is read from the column of its name; where
        it is the only one, from the column that holds the text.
    fixed : mapping
        Values that are the same for every row.

    Raises
    ------
    ColumnError
        For no input of the template.
    """

    def __init__(
        self,
        template: PromptTemplate,
        mapping: Mapping[str, str] | None = None,
        fixed: Mapping[str, Any] | None = None,
    ) -> None:
        self._template = template
        self._mapping = dict(mapping or {})
        self._fixed = dict(fixed or {})
        names = [variable.name for variable in template.inputs]
        for name in (*self._mapping, *self._fixed):
            if name not in names:
                raise ColumnError(
                    f"the template {template.name!r} has no input {name!r}",
                    do=f"{_near(name, names)}it takes: {', '.join(names) or 'none'}",
                )
        self._found: dict[str, str] = {}

    def settle(self, table: pa.RecordBatch) -> None:
        """Decide on the columns by the first rows.

        Raises
        ------
        ColumnError
            A column is not there (the nearest is offered), or none is surely meant.
        """
        there = table.schema.names
        self._found = {name: column_named(column, there) for name, column in self._mapping.items()}
        wanted = [
            variable
            for variable in self._template.inputs
            if variable.required and variable.name not in {*self._mapping, *self._fixed}
        ]
        left = []
        for variable in wanted:
            same = [column for column in there if column.casefold() == variable.name.casefold()]
            if same:
                self._found[variable.name] = same[0]
            else:
                left.append(variable)
        if left:
            self._guess(left, table)

    def _guess(self, left: Sequence[Variable], table: pa.RecordBatch) -> None:
        from embedkit.classification.labelled import samples_of
        from embedkit.ingest.choose import choose

        there = table.schema.names
        if len(left) == 1 and left[0].kind == "text":
            with contextlib.suppress(ColumnError):
                chosen = choose(samples_of(table), text=None, id=None).text
                if len(chosen) == 1:
                    self._found[left[0].name] = chosen[0]
                    return
        name = left[0].name
        raise ColumnError(
            f"found no column for the input {name!r} among {', '.join(there)}",
            do=f"{_near(name, there)}say which with --map {name}=COLUMN, or give one value to all "
            f"rows with --var {name}=VALUE",
        )

    def inputs(self, table: pa.RecordBatch, lines: Sequence[int]) -> Iterator[Input]:
        """Yield the rows as inputs; those that lack a value say so."""
        required = {variable.name for variable in self._template.inputs if variable.required}
        columns = {name: table.column(column).to_pylist() for name, column in self._found.items()}
        for i, line in enumerate(lines):
            values = {name: _value(column[i]) for name, column in columns.items()}
            empty = [name for name, value in values.items() if value is None and name in required]
            if empty:
                column = self._found[empty[0]]
                yield Input(int(line), reason=f"there is nothing in the column {column}")
            else:
                yield Input(int(line), {**self._fixed, **values})

    @property
    def read(self) -> dict[str, str]:
        """The column of each input that is read from one."""
        return dict(self._found)


def _value(cell: Any) -> Any:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    return cell if isinstance(cell, (str, bool, int, float, list, dict)) else str(cell)


def column_named(asked: str, there: Sequence[str]) -> str:
    """Return the column that is meant, whatever its case.

    Raises
    ------
    ColumnError
        There is none; the nearest is offered.
    """
    if asked in there:
        return asked
    same = [name for name in there if name.casefold() == asked.casefold()]
    if len(same) == 1:
        return same[0]
    raise ColumnError(
        f"there is no column {asked!r}", do=f"{_near(asked, there)}there are: {', '.join(there)}"
    )


def _near(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=1)
    return f"did you mean {near[0]!r}? " if near else ""


class Table:
    """A source on its way through a template.

    Parameters
    ----------
    runner : Runner
    columns : Columns
    report : PromptReport
        Filled as rows are answered.
    """

    def __init__(self, runner: Runner, columns: Columns, report: PromptReport) -> None:
        self._runner, self._columns, self.report = runner, columns, report
        self.names: tuple[str, ...] = ADDED
        self._settled = False

    def run(self, source: Source, *, progress: Progress | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows with their answers beside them, in order, at least one batch."""
        for batch in source.batches():
            for reject in batch.rejects:
                self.report.count(Answered(reject.line, reason=reject.reason), reject.excerpt)
            if not self._settled and batch.table.schema.names:
                self._columns.settle(batch.table)
                self.names = _free(ADDED, batch.table.schema.names)
                self._settled = True
            if not batch.table.num_rows:
                yield self._widened(batch.table, [])
            for start in range(0, batch.table.num_rows, BATCH):
                table = batch.table.slice(start, BATCH)
                lines = [int(line) for line in batch.lines[start : start + BATCH]]
                found = []
                inputs = self._columns.inputs(table, lines)
                for each in self._runner.run(inputs, progress=_onward(progress, self.report)):
                    self.report.count(each)
                    found.append(each)
                yield self._widened(table, found)

    def _widened(self, table: pa.RecordBatch, found: Sequence[Answered]) -> pa.RecordBatch:
        answers = pa.array([told(each) for each in found], pa.string())
        problems = pa.array([each.reason or None for each in found], pa.string())
        fields = [pa.field(name, pa.string()) for name in self.names]
        return pa.RecordBatch.from_arrays(
            [*table.columns, answers, problems], schema=pa.schema([*table.schema, *fields])
        )


def told(found: Answered) -> str | None:
    """Return an answer as a cell holds it: a text as it is, other values as JSON."""
    import json

    if not found.passed:
        return None
    value = found.value
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _onward(progress: Progress | None, report: PromptReport) -> Progress | None:
    if progress is None:
        return None
    before = report.rows
    shown = progress

    def show(stage: str, done: int, _total: int) -> None:
        shown(stage, before + done, 0)

    return show


def _free(names: Sequence[str], taken: Sequence[str]) -> tuple[str, ...]:
    """Return names for the added columns that the source does not have."""
    folded = {name.casefold() for name in taken}
    prefix = ""
    while any(f"{prefix}{name}".casefold() in folded for name in names):
        prefix = f"prompt_{prefix}"
    return tuple(f"{prefix}{name}" for name in names)


def run_file(
    source: Any,
    out: str,
    runner: Runner,
    columns: Columns,
    *,
    format: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
    started: Callable[[], float] = time.monotonic,
) -> PromptReport:
    """Answer each row of a source, and write the rows with their answers beside them.

    One row is written for each that could be read, in order. The file appears when all is done; an
    interrupted run is gone on with by running it again, for answers are kept as they come.

    Parameters
    ----------
    source
        What :meth:`embedkit.Collection.index` takes.
    out : str
        CSV, TSV, JSON Lines or Parquet by its suffix; ``-`` is standard output.

    Raises
    ------
    SourceError, ColumnError, InvalidInputError, StorageError
    CredentialsError, QuotaError, UnavailableError
        The generator cannot go on. What was answered is kept.
    """
    from embedkit.classification.stream import format_for, schema_of
    from embedkit.pairs.dedupe import check_places
    from embedkit_connectors import open_source
    from embedkit_connectors.write import open_sink, written

    begun = started()
    opened: Source = open_source(source)
    form = format_for(opened, out, format)
    check_places(opened, out, None, force=force)
    report = PromptReport(opened.label, out, runner.template.name, runner.generator.model_id)
    table = Table(runner, columns, report)
    with contextlib.ExitStack() as stack:
        schema, batches = schema_of(opened, form, table.run(opened, progress=progress), stack)
        file = stack.enter_context(written(out))
        sink = open_sink(file, form, schema)
        for batch in batches:
            sink.write(batch)
            if out == "-":
                file.flush()
        sink.end()
    if not report.rows:
        raise SourceError(f"there are no rows in {opened.label}", do="is it the right file?")
    report.notes += opened.notes
    if table.names != ADDED:
        report.notes.append(
            f"the input has columns of these names: those added are {', '.join(table.names)}"
        )
    report.seconds = round(started() - begun, 3)
    return report
