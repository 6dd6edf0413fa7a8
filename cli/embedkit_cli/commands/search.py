"""``embedkit search``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.choose import choose
from embedkit_cli.lazy import Command
from embedkit_cli.options import Decorated, Number, collection_option, printing
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    import embedkit


DIVERSITY = 0.3
"""What ``--diverse`` alone stands for."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the options of a search ask for, besides the query."""

    k: int
    options: dict[str, Any]

    def arguments(self) -> dict[str, Any]:
        """Return them as :meth:`embedkit.Collection.search` takes them."""
        return {"k": self.k} | {name: v for name, v in self.options.items() if v is not None}

    @property
    def explains(self) -> bool:
        """Whether it is to be said why."""
        return bool(self.options.get("explain"))


def choosing(command: Decorated) -> Decorated:
    """Add the options that say which hits are wanted."""
    for option in reversed(
        (
            click.option("-k", type=click.IntRange(min=1), help="Hits to show.  [default: 10]"),
            click.option("--offset", type=click.IntRange(min=0), help="Hits to pass over first."),
            click.option(
                "--where",
                metavar="SQL",
                help="Filter over the record's columns: \"lang = 'en'\".",
            ),
            click.option(
                "--mode",
                type=click.Choice(["dense", "lexical", "hybrid"]),
                help="By meaning, by words, or by both.  [default: dense]",
            ),
            click.option(
                "--fusion",
                metavar="SPEC",
                help="How hybrid weighs the two: rrf?k=60, weighted?dense=0.7.",
            ),
            click.option(
                "--rerank",
                metavar="SPEC",
                help="Judge the best anew: lexical, cross-encoder:MODEL, cohere:MODEL.",
            ),
            click.option(
                "--candidates",
                type=click.IntRange(min=1),
                help="How many --rerank judges or --diverse chooses from.  [default: 100]",
            ),
            click.option("--diverse", is_flag=True, help="Hits that differ from each other."),
            click.option(
                "--diversity",
                type=Number(0, 1),
                help=f"How much they are to differ, 0 to 1.  [default: {DIVERSITY}]",
            ),
            click.option("--min-score", type=float, help="Only hits of at least this score."),
            click.option(
                "--min-confidence",
                type=Number(0, 1),
                help="Only hits that are relevant with this probability, 0 to 1.",
            ),
            click.option(
                "--explain", is_flag=True, help="Say why: ranks, words, and how it was searched."
            ),
        )
    ):
        command = option(command)
    return command


@click.command(cls=Command, example='embedkit search "how do I get my money back?" -k 5')
@click.argument("query", required=False)
@collection_option
@choosing
@click.option(
    "--queries", metavar="FILE", help="CSV or JSON Lines with id and text, or a text a line."
)
@click.option(
    "--vectors", metavar="FILE", help="Query vectors in place of texts: .npy, or JSON arrays."
)
@click.option("--tag", default="embedkit", show_default=True, help="Name of the run, for trec.")
@printing("trec")
@pass_session
def search(
    session: Session,
    /,
    query: str | None,
    collection: str | None,
    queries: str | None,
    vectors: str | None,
    tag: str,
    k: int | None,
    diverse: bool,
    **options: Any,
) -> int:
    """Find the records that answer QUERY best; - reads it from stdin."""
    given = sum(value is not None for value in (query, queries, vectors))
    if given != 1:
        several = ", and one of these only" if given else ""
        raise click.UsageError(
            f"expected a query, or a file of them with --queries FILE or --vectors FILE{several}"
        )
    if query is not None and session.format == "trec":
        raise click.UsageError("--format trec needs query ids: give --queries FILE")
    import embedkit

    if diverse and options["diversity"] is None:
        options["diversity"] = DIVERSITY
    if options["candidates"] is not None and not (options["rerank"] or options["diversity"]):
        raise click.UsageError("--candidates is for --rerank SPEC and --diverse: give one of them")
    if vectors is None:  # they can only be searched by meaning
        options["mode"] = options["mode"] or session.settings.mode
    text = _read(query) if query is not None else ""
    name = choose(session, collection)
    wanted = Wanted(k or session.settings.k, options)
    with embedkit.open(name, home=session.home) as opened:
        if query is not None:
            return _one(session, opened, text, wanted)
        from embedkit_cli.failure import say_waiting
        from embedkit_cli.many import search_file, search_vectors

        if "-" in (queries, vectors):
            say_waiting()
        if vectors is not None:
            return search_vectors(session.format, opened, vectors, wanted, tag)
        assert queries is not None
        return search_file(session.format, opened, queries, wanted, tag)


def _read(query: str) -> str:
    from embedkit_cli.failure import say_waiting

    text = query
    if query == "-":
        say_waiting()
        text = sys.stdin.read()
    if not text.strip():
        raise click.UsageError("expected a query, got nothing")
    return text


def _one(session: Session, opened: embedkit.Collection, query: str, wanted: Wanted) -> int:
    from embedkit_cli.failure import say
    from embedkit_cli.hits import describe_plan, print_hits

    hits = opened.search(query, **wanted.arguments())
    print_hits(session.format, hits, opened)
    if wanted.explains and hits.plan is not None:
        say(f"how: {describe_plan(hits.plan)}")
    if not hits:
        say(_nothing(wanted) if len(opened) else "the collection is empty: no record matches")
    return 0


def _nothing(wanted: Wanted) -> str:
    """Say why there is no hit, as far as the options tell."""
    given = {name for name, value in wanted.options.items() if value}
    if given & {"min_score", "min_confidence"}:
        return (
            "nothing in the collection is good enough: no record reaches the least that was asked"
        )
    if "offset" in given:
        return "there are no more hits"
    if "where" in given:
        return "no record matches the filter"
    if wanted.options.get("mode") == "lexical":
        return "no record shares a word with the query; search by meaning with --mode dense"
    return "no record matches"
