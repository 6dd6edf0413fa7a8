"""``embedkit classify list``."""

from __future__ import annotations

import click

from embedkit_cli.lazy import Command
from embedkit_cli.options import printing
from embedkit_cli.session import Session, pass_session


@click.command("list", cls=Command, example="embedkit classify list --json")
@printing()
@pass_session
def list_(session: Session) -> int:
    """List the classifiers of the home."""
    from embedkit.classification import library
    from embedkit_cli.failure import say
    from embedkit_cli.output import emit
    from embedkit_cli.table import Column, render
    from embedkit_cli.text import size

    known = library.names(session.home)
    if not known:
        say(
            f"there is no classifier in {session.home}; make one with: "
            "embedkit classify train FILE --label COLUMN"
        )
    sizes = [library.size(library.find(session.home, name)) for name in known]
    rows = [{"name": name, "bytes": used} for name, used in zip(known, sizes, strict=True)]

    def table() -> str:
        columns = [
            Column("name", known, widest=30),
            Column("size", list(map(size, sizes)), right=True),
        ]
        return render(columns) if known else ""

    emit(session.format, rows, table)
    return 0
