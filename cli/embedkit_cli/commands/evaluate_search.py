"""``embedkit evaluate search``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.choose import choose
from embedkit_cli.failure import say
from embedkit_cli.lazy import Command
from embedkit_cli.options import Decorated, collection_option, printing
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    pass


def searching(command: Decorated) -> Decorated:
    """Add the options that say how to search."""
    for option in reversed(
        (
            click.option(
                "-k",
                type=click.IntRange(min=1),
                help="Hits of each query to look at.  [default: 100]",
            ),
            click.option("--where", metavar="SQL", help="Only among the records that match."),
            click.option(
                "--mode",
                type=click.Choice(["dense", "lexical", "hybrid"]),
                help="By meaning, by words, or by both.  [default: dense]",
            ),
            click.option("--fusion", metavar="SPEC", help="How hybrid weighs the two."),
            click.option("--rerank", metavar="SPEC", help="Judge the best anew: lexical, …"),
            click.option(
                "--candidates",
                type=click.IntRange(min=1),
                help="How many --rerank judges.  [default: 100]",
            ),
        )
    ):
        command = option(command)
    return command


@click.command(cls=Command, example="embedkit evaluate search")
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
    "metrics",
    multiple=True,
    metavar="NAME",
    help="Such as ndcg@10, mrr@10, recall@100, map; as often as you like.",
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
    metrics: tuple[str, ...],
    **options: Any,
) -> int:
    """Measure how relevant the hits are, by judgements of queries.

    Without judgements, by which records find themselves, and how many hits stay when a query is put
    in another way: this shows what is broken, not what is relevant.
    """
    if qrels is not None and queries is None:
        raise click.UsageError("--qrels needs the queries that were judged: --queries FILE")
    import embedkit
    from embedkit.evaluation.judgements import read_qrels
    from embedkit.evaluation.measures import DEFAULT
    from embedkit.evaluation.unjudged import evaluate_without_judgements
    from embedkit_cli.evaluations import print_evaluation, print_unjudged
    from embedkit_cli.many import read_queries

    asked = read_queries(queries) if queries is not None else None
    judged = read_qrels(qrels) if qrels is not None else None
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    with embedkit.open(choose(session, collection), home=session.home) as opened:
        if judged is None:
            texts = None if asked is None else [text for _, text in asked.rows]
            print_unjudged(session.format, evaluate_without_judgements(opened, texts, **given))
            return 0
        assert asked is not None
        found = embedkit.evaluate_search(
            opened, dict(asked.rows), judged, measures=metrics or DEFAULT, k=k, **given
        )
    print_evaluation(session.format, found)
    for note in found.notes:
        say(note)
    return 0
