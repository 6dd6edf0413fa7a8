"""``embedkit similar``."""

from __future__ import annotations

import click

from embedkit_cli.choose import choose
from embedkit_cli.lazy import Command
from embedkit_cli.options import collection_option, printing
from embedkit_cli.session import Session, pass_session


@click.command(cls=Command, example="embedkit similar q001 -k 5")
@click.argument("id")
@collection_option
@click.option("-k", type=click.IntRange(min=1), help="Hits to show.  [default: 10]")
@click.option("--where", metavar="SQL", help="Filter over the record's columns: \"lang = 'en'\".")
@printing()
@pass_session
def similar(
    session: Session, id: str, collection: str | None, k: int | None, where: str | None
) -> int:
    """Find the neighbours of the record ID, which is itself left out."""
    import embedkit
    from embedkit_cli.failure import say
    from embedkit_cli.hits import print_hits

    name = choose(session, collection)
    with embedkit.open(name, home=session.home) as opened:
        hits = opened.similar(id, k or session.settings.k, where=where)
        print_hits(session.format, hits, opened)
        if not hits:
            say("no other record matches")
    return 0
