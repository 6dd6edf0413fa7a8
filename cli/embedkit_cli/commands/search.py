"""``embedkit search``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from embedkit_cli.choose import choose
from embedkit_cli.lazy import Command
from embedkit_cli.options import collection_option, printing
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    import embedkit


@click.command(cls=Command, example='embedkit search "how do I get my money back?" -k 5')
@click.argument("query", required=False)
@collection_option
@click.option("-k", type=click.IntRange(min=1), help="Hits to show.  [default: 10]")
@click.option("--where", metavar="SQL", help="Filter over the record's columns: \"lang = 'en'\".")
@click.option(
    "--queries", metavar="FILE", help="CSV or JSON Lines with id and text, or a text a line."
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
    tag: str,
) -> int:
    """Find the records nearest to QUERY; - reads it from stdin."""
    if (query is None) == (queries is None):
        raise click.UsageError("expected a query, or a file of them with --queries FILE")
    if queries is None and session.format == "trec":
        raise click.UsageError("--format trec needs query ids: give --queries FILE")
    import embedkit

    text = _read(query) if query is not None else ""
    name = choose(session, collection)
    limit = k or session.settings.k
    with embedkit.open(name, home=session.home) as opened:
        if queries is None:
            return _one(session, opened, text, limit, where)
        from embedkit_cli.failure import say_waiting
        from embedkit_cli.many import search_file

        if queries == "-":
            say_waiting()
        return search_file(session.format, opened, queries, limit, where, tag)


def _read(query: str) -> str:
    from embedkit_cli.failure import say_waiting

    text = query
    if query == "-":
        say_waiting()
        text = sys.stdin.read()
    if not text.strip():
        raise click.UsageError("expected a query, got nothing")
    return text


def _one(
    session: Session, opened: embedkit.Collection, query: str, k: int, where: str | None
) -> int:
    from embedkit_cli.failure import say
    from embedkit_cli.hits import print_hits

    hits = opened.search(query, k, where=where)
    print_hits(session.format, hits, opened)
    if not hits:
        say("no record matches" + (" the filter" if where else ": the collection is empty"))
    return 0
