"""``embedkit evaluate search``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.choose import choose
from embedkit_cli.failure import say
from embedkit_cli.lazy import Command
from embedkit_cli.options import Decorated, collection_option, printing
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    from collections.abc import Mapping

    import embedkit
    from embedkit.evaluation.results import SearchEvaluation
    from embedkit.evaluation.variant import Variant

Floors = dict[str, float]


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be measured by judgements."""

    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, float]]
    measures: tuple[str, ...]
    k: int | None
    options: Mapping[str, Any]

    def measure(self, collection: embedkit.Collection) -> SearchEvaluation:
        """Search a collection and measure what is found."""
        import embedkit

        return embedkit.evaluate_search(
            collection,
            self.queries,
            self.qrels,
            measures=self.measures,
            k=self.k,
            **dict(self.options),
        )


def searching(command: Decorated) -> Decorated:
    """Add the options that say how to search."""
    for option in reversed(
        (
            click.option(
                "-k",
                type=click.IntRange(min=1),
                help="Hits of each query to look at.  [default: 100]",
            ),
            click.option("--where", metavar="SQL", help="Search among the records that match."),
            click.option(
                "--mode",
                type=click.Choice(["dense", "lexical", "hybrid"]),
                help="By meaning, by words, or by both.  [default: dense]",
            ),
            click.option("--fusion", metavar="SPEC", help="How hybrid weighs the two."),
            click.option("--rerank", metavar="SPEC", help="Judge the best anew, as search does."),
            click.option(
                "--candidates",
                type=click.IntRange(min=1),
                help="How many --rerank judges.  [default: 100]",
            ),
        )
    ):
        command = option(command)
    return command


@click.command(cls=Command, example="embedkit evaluate search --mode dense")
@click.option("--queries", metavar="FILE", help="CSV or JSON Lines with id and text.")
@click.option(
    "--qrels",
    metavar="FILE",
    help="Judgements: TREC, or a CSV with query_id, doc_id, relevance.",
)
@collection_option
@searching
@click.option(
    "--metric",
    "measures",
    multiple=True,
    metavar="NAME",
    help="ndcg@10, mrr@10, recall@100, map, …; may be repeated.",
)
@click.option(
    "--against",
    metavar="SPEC",
    help="Compare with another search: mode=hybrid,rerank=SPEC; collection=NAME; run=FILE.",
)
@click.option(
    "--min",
    "floors",
    multiple=True,
    metavar="NAME=VALUE",
    help="Exit with 1 where a mean is below it: ndcg@10=0.6; may be repeated.",
)
@click.option(
    "--worst", type=click.IntRange(min=0), default=5, help="Queries to show.  [default: 5]"
)
@click.option("--per-query", metavar="FILE", help="Write a CSV with a line a query.")
@click.option("--run", "run_file", metavar="FILE", help="Write the hits, in TREC form.")
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    help="Without judgements: records to ask with.  [default: 200]",
)
@printing()
@pass_session
def search(
    session: Session,
    /,
    queries: str | None,
    qrels: str | None,
    collection: str | None,
    k: int | None,
    measures: tuple[str, ...],
    against: str | None,
    floors: tuple[str, ...],
    worst: int,
    per_query: str | None,
    run_file: str | None,
    sample: int | None,
    **options: Any,
) -> int:
    """Measure how relevant the hits are, by judgements of queries.

    Without --qrels: how often records are found by their own words, and how many hits stay when a
    query is put in another way. This shows what is broken, not what is relevant.
    """
    if qrels is not None and queries is None:
        raise click.UsageError("--qrels needs the queries that were judged: --queries FILE")
    least = read_floors(floors)
    options["mode"] = options["mode"] or session.settings.mode
    given = {name: value for name, value in options.items() if value is not None}
    if qrels is None:
        _refuse_without_judgements(measures, against, per_query, run_file, k)
        return _unjudged(session, choose(session, collection), queries, sample, least, given)
    assert queries is not None
    if sample is not None:
        raise click.UsageError("--sample is for measuring without --qrels")
    from embedkit.evaluation.judgements import read_qrels
    from embedkit.evaluation.measures import DEFAULT, check_measures
    from embedkit.evaluation.variant import parse_variant
    from embedkit_cli.many import read_asked

    named = list(check_measures([*(measures or DEFAULT), *least]))
    variant = parse_variant(against) if against is not None else None
    asked, left_out = read_asked(queries)
    task = Task(asked, read_qrels(qrels), tuple(named), k, given)
    code = _judged(
        session, choose(session, collection), task, variant, least, worst, per_query, run_file
    )
    return max(code, left_out)


def _judged(
    session: Session,
    name: str,
    task: Task,
    variant: Variant | None,
    least: Floors,
    worst: int,
    per_query: str | None,
    run_file: str | None,
) -> int:
    import embedkit
    from embedkit_cli.evaluations import missed_texts, print_evaluation, write_queries, write_run

    with embedkit.open(name, home=session.home) as opened:
        found = task.measure(opened)
        other = _other(session, opened, task, variant) if variant else None
        bad = found.worst(worst)
        texts = missed_texts(opened, bad) if session.format == "table" else {}
    differences = found.against(other) if other else {}
    print_evaluation(session.format, found, bad, texts, other, differences)
    for note in found.notes:
        say(note)
    if per_query is not None:
        write_queries(per_query, found, other)
    if run_file is not None:
        write_run(run_file, found)
    return check_floors({key: value.mean for key, value in found.measures.items()}, least)


def _other(
    session: Session, opened: embedkit.Collection, task: Task, variant: Variant
) -> SearchEvaluation:
    """Measure the other side of the comparison."""
    import dataclasses

    import embedkit
    from embedkit.evaluation.judgements import read_run
    from embedkit.evaluation.search import evaluate_run

    if variant.run:
        return evaluate_run(
            read_run(variant.run),
            task.queries,
            task.qrels,
            collection=opened,
            name=variant.run,
            measures=task.measures,
            k=task.k,
        )
    changed = dataclasses.replace(task, options=variant.applied(task.options))
    if not variant.collection:
        return changed.measure(opened)
    # Not by choose: the collection that is compared with is not the one used last.
    with embedkit.open(variant.collection, home=session.home) as collection:
        return changed.measure(collection)


def _unjudged(
    session: Session,
    name: str,
    queries: str | None,
    sample: int | None,
    least: Floors,
    options: dict[str, Any],
) -> int:
    import embedkit
    from embedkit.evaluation.unjudged import SAMPLED, evaluate_without_judgements
    from embedkit_cli.evaluations import print_unjudged
    from embedkit_cli.many import read_asked

    asked, left_out = read_asked(queries) if queries is not None else (None, 0)
    texts = None if asked is None else list(asked.values())
    with embedkit.open(name, home=session.home) as opened:
        found = evaluate_without_judgements(opened, texts, n=sample or SAMPLED, **options)
    print_unjudged(session.format, found)
    return max(
        check_floors({key: value.mean for key, value in found.measures.items()}, least), left_out
    )


def _refuse_without_judgements(
    measures: tuple[str, ...],
    against: str | None,
    per_query: str | None,
    run_file: str | None,
    k: int | None,
) -> None:
    given = {
        "--metric": measures,
        "--against": against,
        "--per-query": per_query,
        "--run": run_file,
        "-k": k,
    }
    for option, value in given.items():
        if value:
            raise click.UsageError(f"{option} needs judgements: give --queries FILE --qrels FILE")


def read_floors(given: tuple[str, ...]) -> Floors:
    """Read what ``--min`` was given."""
    floors: Floors = {}
    for text in given:
        name, equals, value = text.rpartition("=")
        try:
            floors[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals or not name.strip() or floors[name.strip()] != floors[name.strip()]:
            raise click.UsageError(f"expected --min NAME=VALUE such as ndcg@10=0.6, got {text!r}")
    return floors


def check_floors(means: Mapping[str, float], least: Floors) -> int:
    """Say which means are below their floors; return the exit code."""
    from embedkit.evaluation.measures import same_measure

    code = 0
    for name, floor in least.items():
        told = same_measure(name, means)
        if means[told] < floor:
            say(f"{told} is {means[told]:.4f}, below the floor of {floor:g}")
            code = 1
    return code
