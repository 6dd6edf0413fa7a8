"""How an evaluation is printed, and written to files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.output import csv_lines, emit
from embedkit_cli.table import Column, render, terminal_width
from embedkit_cli.text import clean, count, cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import embedkit
    from embedkit.evaluation.results import Difference, QueryScore, SearchEvaluation
    from embedkit.evaluation.unjudged import Unjudged
    from embedkit.types import Estimate

SIGNIFICANT = 0.05
SELF = {
    "whole@1": "its whole text finds it first",
    "part@1": "its first words find it first",
    "part@10": "its first words find it among ten",
    "part-MRR@10": "MRR@10 of its first words",
}
WAYS = {
    "capitals": "in capitals",
    "mistyped": "mistyped",
    "shortened": "a word less",
    "reordered": "in another word order",
}


def print_evaluation(
    form: str,
    found: SearchEvaluation,
    worst: Sequence[QueryScore],
    texts: Mapping[str, str],
    other: SearchEvaluation | None,
    differences: Mapping[str, Difference],
) -> None:
    """Print an evaluation: as one object, as a row a measure in CSV, or as tables."""
    value: Any = found.to_dict() | {"worst": [query.to_dict() for query in worst]}
    if other is not None:
        value["against"] = other.to_dict() | {
            "differences": {name: each.to_dict() for name, each in differences.items()}
        }
    if form == "csv":
        value = [
            {"measure": name, **row, **flat_difference(differences.get(name))}
            for name, row in value["measures"].items()
        ]
    emit(form, value, lambda: "\n".join(_told(found, worst, texts, other, differences)))


def flat_difference(difference: Difference | None) -> dict[str, Any]:
    """Return a comparison on one level, for a line of CSV."""
    if difference is None:
        return {}
    gap = difference.difference
    return {
        "against": difference.theirs,
        "difference": gap.mean,
        "difference_low": gap.low,
        "difference_high": gap.high,
        "p_value": difference.p_value,
        "wins": difference.wins,
        "ties": difference.ties,
        "losses": difference.losses,
    }


def _told(
    found: SearchEvaluation,
    worst: Sequence[QueryScore],
    texts: Mapping[str, str],
    other: SearchEvaluation | None,
    differences: Mapping[str, Difference],
) -> Iterable[str]:
    heading = click.style(clean(found.subject), bold=True)
    queries = count(len(found.queries), "judged query", "judged queries")
    yield f"{heading}: {queries}, the first {found.k:,} hits of each"
    yield ""
    yield means(found.measures)
    if other is not None:
        yield ""
        yield f"against {click.style(clean(other.subject), bold=True)}"
        yield comparison(differences)
    if worst:
        yield ""
        yield from _worst(next(iter(found.measures)), worst, texts)


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


def comparison(differences: Mapping[str, Difference]) -> str:
    """Return a comparison as a table: how far the first is better, and whether that is chance."""
    each = list(differences.values())
    return render(
        [
            Column("measure", list(differences)),
            Column("there", [f"{one.theirs:.3f}" for one in each], right=True),
            Column("difference", [f"{one.difference.mean:+.3f}" for one in each], right=True),
            Column("95 % interval", [signed(one.difference) for one in each]),
            Column("p", [_p(one.p_value) for one in each], right=True),
            Column("better/same/worse", [f"{e.wins}/{e.ties}/{e.losses}" for e in each]),
            Column("", [_verdict(one) for one in each]),
        ]
    )


def _verdict(one: Difference) -> str:
    if not one.wins + one.losses:
        return "the same"
    return "" if one.p_value < SIGNIFICANT else "may be chance"


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 0.001 else "<0.001"


def _worst(measure: str, queries: Sequence[QueryScore], texts: Mapping[str, str]) -> Iterable[str]:
    yield f"lowest {measure}"
    room = terminal_width()
    for query in queries:
        yield cut(
            f"  {query.values[measure]:.3f}  {clean(query.query_id)}: {clean(query.query)}", room
        )
        missed = query.missed
        if missed is not None:
            where = f"only at rank {missed.rank}" if missed.rank else "not found"
            where = where if missed.known else "not in the collection"
            text = texts.get(missed.id, "")
            yield cut(f"         {clean(missed.id)}, {where}: {clean(text)}".rstrip(": "), room)


def missed_texts(collection: embedkit.Collection, queries: Sequence[QueryScore]) -> dict[str, str]:
    """Return the texts of the records that some queries missed."""
    ids = {query.missed.id for query in queries if query.missed and query.missed.known}
    return {id: collection.get(id).text for id in ids if id in collection}


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
    lines = [
        click.style(clean(found.subject), bold=True)
        + ": without judgements; this tells what is broken, not how relevant hits are",
        "",
        f"self-retrieval: does a record find itself? {count(found.records, 'record')}",
        means({SELF[name]: value for name, value in found.self_retrieval.items()}),
    ]
    if found.consistency:
        asked = count(found.queries, "query", "queries")
        lines += [
            "",
            f"consistency: which share of ten hits stays when a query is changed? {asked}",
            means({WAYS[name]: value for name, value in found.consistency.items()}),
        ]
    return "\n".join(lines)


def interval(value: Estimate) -> str:
    """Return the bounds of an interval."""
    return f"{value.low:.3f} to {value.high:.3f}"


def signed(value: Estimate) -> str:
    """Return the bounds of the interval of a difference."""
    return f"{value.low:+.3f} to {value.high:+.3f}"


def write_queries(path: str, found: SearchEvaluation, other: SearchEvaluation | None) -> None:
    """Write a CSV with a line a query: its measures, those of the other search, what was missed."""
    theirs = {query.query_id: query.values for query in other.queries} if other else {}
    rows = []
    for query in found.queries:
        missed = query.missed
        compared = theirs.get(query.query_id, {})
        rows.append(
            {
                "query_id": query.query_id,
                "query": query.query,
                **query.values,
                **{f"{name} against": compared.get(name) for name in found.measures if other},
                "relevant": query.relevant,
                "missed_id": missed.id if missed else None,
                "missed_rank": missed.rank if missed else None,
            }
        )
    _write(path, csv_lines(rows))


def write_run(path: str, found: SearchEvaluation) -> None:
    """Write the hits in the form of trec_eval."""
    from embedkit.evaluation.judgements import run_lines

    lines = (
        line
        for query in found.queries
        for line in run_lines(
            query.query_id, zip(query.ranking, query.scores, strict=True), "embedkit"
        )
    )
    _write(path, lines)


def _write(path: str, lines: Iterable[str]) -> None:
    from embedkit.integrity import write_durably

    write_durably(Path(path), "".join(lines).encode())
