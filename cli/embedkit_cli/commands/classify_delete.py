"""``embedkit classify delete``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from embedkit_cli.classifiers import complete_classifier
from embedkit_cli.lazy import Command
from embedkit_cli.options import printing
from embedkit_cli.session import Session, is_terminal, pass_session


@click.command(cls=Command, example="embedkit classify delete topics --yes")
@click.argument("name", shell_complete=complete_classifier)
@click.option("--yes", is_flag=True, help="Delete without asking.")
@printing()
@pass_session
def delete(session: Session, name: str, yes: bool) -> int:
    """Delete a classifier. Its vectors stay in the home's cache."""
    from embedkit.classification import library
    from embedkit_cli.output import emit
    from embedkit_cli.text import clean, size

    place = library.find(session.home, name)
    used = library.size(place)
    what = f"classifier {clean(name)} ({_held(session, name)}, {size(used)}, in {_path(place)})"
    if not yes:
        if not is_terminal(sys.stdin):
            raise click.UsageError(f"this deletes {what} for good; say --yes to do it")
        click.confirm(f"Delete {what} for good?", abort=True, err=True)
    library.delete(session.home, name)
    result = {"deleted": name, "path": str(place), "bytes": used}
    emit(session.format, result, lambda: f"deleted {what}")
    return 0


def _path(place: Path) -> str:
    from embedkit_cli.text import clean

    return clean(str(place))


def _held(session: Session, name: str) -> str:
    from embedkit.classification.api import describe
    from embedkit.errors import EmbedkitError
    from embedkit_cli.text import count

    try:
        info = describe(session.home, name)
    except EmbedkitError:
        # Also what is damaged can be deleted.
        return "damaged"
    return f"{len(info.labels):,} labels, trained on {count(info.report.rows, 'row')}"
