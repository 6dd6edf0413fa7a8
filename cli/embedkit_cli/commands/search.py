"""``embedkit search``."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.choose import choose
from embedkit_cli.lazy import Command
from embedkit_cli.options import collection_option, printing
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    import embedkit


CANDIDATES = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the options of a search ask for, besides the query."""

    k: int
    where: str | None = None
    rerank: str | None = None
    candidates: int = CANDIDATES

    def arguments(self) -> dict[str, Any]:
        """Return them as :meth:`embedkit.Collection.search` takes them."""
        return asdict(self)


@click.command(cls=Command, example='embedkit search "how do I get my money back?" -k 5')
@click.argument("query", required=False)
@collection_option
@click.option("-k", type=click.IntRange(min=1), help="Hits to show.  [default: 10]")
@click.option("--where", metavar="SQL", help="Filter over the record's columns: \"lang = 'en'\".")
@click.option(
    "--queries", metavar="FILE", help="CSV or JSON Lines with id and text, or a text a line."
)
@click.option(
    "--rerank",
    metavar="SPEC",
    help="Judge the nearest anew: lexical, cross-encoder:MODEL, cohere:MODEL.",
)
@click.option(
    "--candidates", type=click.IntRange(min=1), help="How many it judges.  [default: 100]"
)
@click.option("--tag", default="embedkit", show_default=True, help="Name of the run, for trec.")
@printing("trec")
@pass_session
def search(
    session: Session,
    query: str | None,
    collection: str | None,
    k: int | None,
    where: str | None,
    queries: str | None,
    rerank: str | None,
    candidates: int | None,
    tag: str,
) -> int:
    """Find the records nearest to QUERY; - reads it from stdin."""
    if (query is None) == (queries is None):
        raise click.UsageError("expected a query, or a file of them with --queries FILE")
    if queries is None and session.format == "trec":
        raise click.UsageError("--format trec needs query ids: give --queries FILE")
    if candidates is not None and rerank is None:
        raise click.UsageError("--candidates is for reranking: give --rerank SPEC")
    import embedkit

    text = _read(query) if query is not None else ""
    name = choose(session, collection)
    wanted = Wanted(k or session.settings.k, where, rerank, candidates or CANDIDATES)
    with embedkit.open(name, home=session.home) as opened:
        if queries is None:
            return _one(session, opened, text, wanted)
        from embedkit_cli.failure import say_waiting
        from embedkit_cli.many import search_file

        if queries == "-":
            say_waiting()
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
    from embedkit_cli.hits import print_hits

    hits = opened.search(query, **wanted.arguments())
    print_hits(session.format, hits, opened)
    if not hits:
        say("no record matches" + (" the filter" if wanted.where else ": the collection is empty"))
    return 0
