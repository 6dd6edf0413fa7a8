"""``embedkit similar``."""

from __future__ import annotations

import click

from embedkit_cli.choose import choose
from embedkit_cli.lazy import Command
from embedkit_cli.options import collection_option, printing
from embedkit_cli.session import Session, pass_session


@click.command(cls=Command, example="embedkit similar q001 -k 5")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@collection_option
@click.option("--unlike", metavar="ID", multiple=True, help="A record of what is not wanted.")
@click.option("-k", type=click.IntRange(min=1), help="Hits to show.  [default: 10]")
@click.option("--where", metavar="SQL", help="Filter over the record's columns: \"lang = 'en'\".")
@click.option("--offset", type=click.IntRange(min=0), default=0, help="Hits to pass over first.")
@click.option("--diverse", is_flag=True, help="Hits that differ from each other.")
@printing()
@pass_session
def similar(
    session: Session,
    ids: tuple[str, ...],
    collection: str | None,
    unlike: tuple[str, ...],
    k: int | None,
    where: str | None,
    offset: int,
    diverse: bool,
) -> int:
    """Find the neighbours of records, which are themselves left out.

    Several IDs are examples of what is wanted.
    """
    import embedkit
    from embedkit_cli.commands.search import DIVERSITY
    from embedkit_cli.failure import say
    from embedkit_cli.hits import print_hits

    name = choose(session, collection)
    with embedkit.open(name, home=session.home) as opened:
        hits = opened.similar(
            ids,
            k or session.settings.k,
            unlike=unlike,
            where=where,
            offset=offset,
            diversity=DIVERSITY if diverse else None,
        )
        print_hits(session.format, hits, opened)
        if not hits:
            say("no other record matches")
    return 0
