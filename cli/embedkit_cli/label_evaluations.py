"""How the evaluation of a classifier is printed, and written to files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.evaluations import comparison, flat_difference, interval
from embedkit_cli.output import csv_lines, emit
from embedkit_cli.table import Column, render, terminal_width
from embedkit_cli.text import clean, count, width

if TYPE_CHECKING:
    from embedkit.evaluation.label_results import LabelEvaluation
    from embedkit.evaluation.results import Difference
    from embedkit.types import Estimate

CLASSES = 20
"""Classes that a table lists; of more, those with the lowest F1."""
MATRIX = 12
"""Classes up to which a terminal shows who is taken for whom as a matrix."""
PAIRS = 10
KEYED = ("accuracy", "subset-accuracy", "macro-F1", "Brier")
"""Measures that answering blindly has a value of worth telling."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """An evaluation with what was asked beside it.

    Attributes
    ----------
    found : LabelEvaluation
    texts : sequence of str
        Of the rows that were measured by.
    lines : sequence of int
        Where each of these rows begins in the source.
    by : mapping of str to LabelEvaluation
        The same of the rows with each value of a column.
    column : str
        That column.
    other : LabelEvaluation or None
        What it is compared with.
    mistakes : int
        How many of the surest mistakes to show.
    """

    found: LabelEvaluation
    texts: Sequence[str] = ()
    lines: Sequence[int] = ()
    by: Mapping[str, LabelEvaluation] = field(default_factory=dict)
    column: str = ""
    other: LabelEvaluation | None = None
    differences: Mapping[str, Difference] = field(default_factory=dict)
    mistakes: int = 5

    def wrong(self) -> list[dict[str, Any]]:
        """Return the mistakes, the surest first."""
        rows = [row for row in self.rows() if not row["right"]]
        return sorted(rows, key=lambda row: -row["probability"])[: self.mistakes]

    def rows(self) -> Iterable[dict[str, Any]]:
        """Yield each row with its label and its answer."""
        outcomes = self.found.outcomes
        assert outcomes is not None
        confidence, right = outcomes.confidence.tolist(), outcomes.right.tolist()
        for i, text in enumerate(self.texts):
            yield {
                "line": self.lines[i] if self.lines else None,
                "text": text,
                "label": _names(outcomes.labels, outcomes.truth[i]),
                "answered": _names(outcomes.labels, outcomes.answers[i]),
                "probability": round(confidence[i], 6),
                "right": right[i],
                "abstained": None if outcomes.abstained is None else bool(outcomes.abstained[i]),
            }

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        value = self.found.to_dict() | {"mistakes": self.wrong()}
        if self.column:
            value["by"] = {
                "column": self.column,
                "values": {
                    name: {"rows": one.rows, "measures": _measures(one.measures)}
                    for name, one in self.by.items()
                },
            }
        if self.other is not None:
            value["against"] = {
                "subject": self.other.subject,
                "measures": _measures(self.other.measures),
                "differences": {name: one.to_dict() for name, one in self.differences.items()},
            }
        return value


def print_labels(form: str, evaluated: Evaluated) -> None:
    """Print an evaluation: as one object, as a row a measure in CSV, or as tables."""
    value: Any = None
    if form == "csv":
        value = _csv(evaluated)
    elif form != "table":
        value = evaluated.to_dict()
    emit(form, value, lambda: "\n".join(_told(evaluated)))


def _csv(evaluated: Evaluated) -> list[dict[str, Any]]:
    return [
        {"measure": name, **asdict(one), **flat_difference(evaluated.differences.get(name))}
        for name, one in evaluated.found.measures.items()
    ]


def _told(evaluated: Evaluated) -> Iterable[str]:
    found = evaluated.found
    classes = count(len(found.labels), "label")
    yield (
        f"{click.style(clean(found.subject), bold=True)}: "
        f"{count(found.rows, 'labelled row')}, {classes}"
    )
    yield ""
    yield _means(found)
    if evaluated.other is not None:
        yield ""
        yield f"against {click.style(clean(evaluated.other.subject), bold=True)}"
        yield comparison(evaluated.differences)
    if evaluated.by:
        yield ""
        yield _by(evaluated)
    yield ""
    yield _classes(found)
    if found.confusion is not None:
        yield ""
        yield _confusion(found)
    yield ""
    yield _curve(found)
    yield ""
    yield _risk(found)
    yield from _mistakes(evaluated)


def _means(found: LabelEvaluation) -> str:
    measures = found.measures
    columns = [
        Column("measure", list(measures)),
        Column("value", [f"{one.mean:.3f}" for one in measures.values()], right=True),
        Column("95 % interval", [interval(one) for one in measures.values()]),
    ]
    for title, others in (
        ("unseen texts", found.unseen),
        ("cross-validated", found.training),
        ("blindly", {n: one for n, one in found.majority.items() if n in KEYED}),
    ):
        if others:
            told = [_mean(others.get(name)) for name in measures]
            columns.append(Column(title, told, right=True, optional=True))
    return render(columns)


def _mean(value: Estimate | None) -> str:
    return "" if value is None else f"{value.mean:.3f}"


def _by(evaluated: Evaluated) -> str:
    name = next(iter(evaluated.found.measures))
    each = list(evaluated.by.values())
    return render(
        [
            Column(evaluated.column, list(evaluated.by), widest=40),
            Column("rows", [f"{one.rows:,}" for one in each], right=True),
            Column(name, [_mean(one.measures[name]) for one in each], right=True),
            Column("95 % interval", [interval(one.measures[name]) for one in each]),
            Column("macro-F1", [_mean(one.measures["macro-F1"]) for one in each], right=True),
            Column("ECE", [_mean(one.measures["ECE"]) for one in each], right=True),
        ]
    )


def _classes(found: LabelEvaluation) -> str:
    classes = list(found.classes)
    title = "label"
    if len(classes) > CLASSES:
        classes = found.worst(CLASSES)
        title = f"lowest F1 of {len(found.labels):,} labels"
    return render(
        [
            Column(title, [one.label for one in classes], widest=44),
            Column("precision", [f"{one.precision:.3f}" for one in classes], right=True),
            Column("recall", [f"{one.recall:.3f}" for one in classes], right=True),
            Column("F1", [f"{one.f1.mean:.3f}" for one in classes], right=True),
            Column("95 % interval", [interval(one.f1) for one in classes]),
            Column("rows", [f"{one.support:,}" for one in classes], right=True),
            Column("answered", [f"{one.answered:,}" for one in classes], right=True),
        ]
    )


def _confusion(found: LabelEvaluation) -> str:
    """Return who is taken for whom: as a matrix where that fits, else the most frequent pairs."""
    assert found.confusion is not None
    if len(found.labels) <= MATRIX:
        table = _matrix(found)
        if max(map(width, table.splitlines())) <= terminal_width():
            return table
    pairs = found.confused(PAIRS)
    if not pairs:
        return "no label is taken for another"
    return render(
        [
            Column("label", [pair.label for pair in pairs], widest=36),
            Column("taken for", [pair.answered for pair in pairs], widest=36),
            Column("rows", [f"{pair.rows:,}" for pair in pairs], right=True),
            Column("of the label", [f"{pair.share:.1%}" for pair in pairs], right=True),
        ]
    )


def _matrix(found: LabelEvaluation) -> str:
    assert found.confusion is not None
    columns = [Column("true, answered:", found.labels, widest=24)]
    for i, label in enumerate(found.labels):
        cells = [f"{line[i]:,}" if line[i] else "·" for line in found.confusion]
        columns.append(Column(clean(label), cells, right=True))
    # As wide as it is: what is cut would be taken for another number.
    return render(columns, 10_000)


def _curve(found: LabelEvaluation) -> str:
    bins = found.curve
    several = found.task == "multi"
    return render(
        [
            Column(
                "of a label" if several else "confidence",
                [f"{one.low:.2f} to {one.high:.2f}" for one in bins],
            ),
            Column("mean", [f"{one.confidence:.3f}" for one in bins], right=True),
            Column(
                "has it" if several else "right",
                [f"{one.accuracy.mean:.3f}" for one in bins],
                right=True,
            ),
            Column("95 % interval", [interval(one.accuracy) for one in bins]),
            Column("labels" if several else "rows", [f"{one.rows:,}" for one in bins], right=True),
            Column("share", [f"{one.share:.1%}" for one in bins], right=True),
        ]
    )


def _risk(found: LabelEvaluation) -> str:
    points = found.risk
    return render(
        [
            Column("answered", [f"{one.coverage:.0%}" for one in points], right=True),
            Column("right of them", [f"{one.accuracy:.3f}" for one in points], right=True),
            Column("abstain below", [f"{one.confidence:.3f}" for one in points], right=True),
        ]
    )


def _mistakes(evaluated: Evaluated) -> Iterable[str]:
    rows = evaluated.wrong()
    if not rows:
        return
    yield ""
    yield render(
        [
            Column("surest mistakes", [f"{row['probability']:.3f}" for row in rows], right=True),
            Column("true", [_shown(row["label"]) for row in rows], widest=24),
            Column("answered", [_shown(row["answered"]) for row in rows], widest=24),
            Column("text", [row["text"] for row in rows], stretch=True),
        ]
    )


def _names(labels: Sequence[str], flags: Any) -> Any:
    found = [label for label, flag in zip(labels, flags.tolist(), strict=True) if flag]
    return found[0] if len(found) == 1 else found


def _shown(label: Any) -> str:
    return label if isinstance(label, str) else ", ".join(label) or "(none)"


def _measures(measures: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: asdict(value) for name, value in measures.items()}


def write_report(folder: str, evaluated: Evaluated) -> list[str]:
    """Write all that is known into a folder, which is made; return the names of the files."""
    from embedkit.errors import MissingDependencyError
    from embedkit.evaluation.label_plot import plot_calibration, plot_confusion
    from embedkit.integrity import storage_error, write_durably
    from embedkit_cli.output import to_json

    place, found = Path(folder), evaluated.found
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, place) from error
    tables: dict[str, Iterable[dict[str, Any]]] = {
        "measures.csv": _csv(evaluated),
        "labels.csv": [asdict(one) | {"f1": one.f1.mean} for one in found.classes],
        "confusion.csv": _matrix_rows(found),
        "calibration.csv": [asdict(one) | {"accuracy": one.accuracy.mean} for one in found.curve],
        "rows.csv": list(evaluated.rows()),
    }
    files = {name: "".join(csv_lines(list(rows))) for name, rows in tables.items() if rows}
    files["report.json"] = to_json(evaluated.to_dict(), indent=2) + "\n"
    for name, text in files.items():
        write_durably(place / name, text.encode())
    drawn = []
    try:
        plot_calibration(found, place / "calibration.png")
        drawn.append("calibration.png")
        if found.confusion is not None:
            plot_confusion(found, place / "confusion.png")
            drawn.append("confusion.png")
    except MissingDependencyError as error:
        from embedkit_cli.failure import say

        say(f"{error}; the report has no pictures")
    return [*files, *drawn]


def _matrix_rows(found: LabelEvaluation) -> list[dict[str, Any]]:
    if found.confusion is None:
        return []
    return [
        {"true": label, **dict(zip(found.labels, line, strict=True))}
        for label, line in zip(found.labels, found.confusion, strict=True)
    ]
