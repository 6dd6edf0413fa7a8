"""``embedkit rebuild``."""

from __future__ import annotations

import click

from embedkit_cli.choose import choose
from embedkit_cli.lazy import Command
from embedkit_cli.options import complete_collection, printing
from embedkit_cli.session import Session, pass_session


@click.command(cls=Command, example="embedkit rebuild questions --index flat")
@click.argument("name", required=False, shell_complete=complete_collection)
@click.option("--index", "index_spec", metavar="SPEC", help="Change to another index.")
@click.option("--recall", type=float, metavar="R", help="Promise another recall, such as 0.999.")
@printing()
@pass_session
def rebuild(
    session: Session, name: str | None, index_spec: str | None, recall: float | None
) -> int:
    """Build the index of a collection anew, from its vectors; nothing is embedded.

    It is tuned until it surely keeps the recall that it promises, measured on the collection's own
    vectors; where it cannot, search is exact. `embedkit collections show` says what was measured.
    """
    import embedkit
    from embedkit_cli.output import emit
    from embedkit_cli.reports import describe_collection

    with embedkit.open(choose(session, name), home=session.home) as opened:
        info = opened.rebuild(index_spec, recall=recall)
    emit(session.format, info.to_dict(), lambda: describe_collection(info))
    return 0
