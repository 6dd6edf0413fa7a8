"""How an evaluation is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.output import emit
from embedkit_cli.table import Column, render
from embedkit_cli.text import clean, count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedkit.evaluation.results import SearchEvaluation
    from embedkit.evaluation.unjudged import Unjudged
    from embedkit.types import Estimate


def print_evaluation(form: str, found: SearchEvaluation) -> None:
    """Print an evaluation: as one object, as a row a measure in CSV, or as tables."""
    value: Any = found.to_dict()
    if form == "csv":
        value = [{"measure": name, **row} for name, row in value["measures"].items()]
    emit(form, value, lambda: describe(found))


def describe(found: SearchEvaluation) -> str:
    """Return an evaluation as a person reads it."""
    heading = click.style(clean(found.subject), bold=True)
    queries = count(len(found.queries), "judged query", "judged queries")
    first = f"{heading}: {queries}, the first {found.k:,} hits of each"
    return "\n".join([first, "", means(found.measures)])


def print_unjudged(form: str, found: Unjudged) -> None:
    """Print what was measured without judgements."""
    value: Any = found.to_dict()
    if form == "csv":
        value = [
            {"kind": kind, "measure": name, **row}
            for kind in ("self_retrieval", "consistency")
            for name, row in value[kind].items()
        ]
    emit(form, value, lambda: describe_unjudged(found))


def describe_unjudged(found: Unjudged) -> str:
    """Return it as a person reads it, saying what it is not."""
    told = {
        "whole@1": "its whole text finds it first",
        "first@1": "its first words find it first",
        "first@10": "its first words find it among ten",
        "first MRR@10": "MRR@10 of its first words",
    }
    return "\n".join(
        [
            click.style(clean(found.subject), bold=True)
            + ": without judgements; this tells what is broken, not how relevant hits are",
            "",
            f"self-retrieval, {count(found.records, 'record')}",
            means({told[name]: value for name, value in found.self_retrieval.items()}),
            "",
            f"consistency: share of ten hits that stay, {count(found.queries, 'query', 'queries')}",
            means({f"query {name}": value for name, value in found.consistency.items()}),
        ]
    )


def means(measures: Mapping[str, Estimate]) -> str:
    """Return measures with their intervals as a table."""
    values = measures.values()
    return render(
        [
            Column("measure", list(measures)),
            Column("mean", [f"{value.mean:.3f}" for value in values], right=True),
            Column("95 % interval", [interval(value) for value in values]),
        ]
    )


def interval(value: Estimate) -> str:
    """Return the bounds of an interval."""
    return f"{value.low:.3f} to {value.high:.3f}"
