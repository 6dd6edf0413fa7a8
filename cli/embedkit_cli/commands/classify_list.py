"""``embedkit classify list``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from embedkit_cli.lazy import Command
from embedkit_cli.options import printing
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    from embedkit.types import ClassifierInfo


@click.command("list", cls=Command, example="embedkit classify list")
@printing()
@pass_session
def list_(session: Session) -> int:
    """List the classifiers of the home."""
    from embedkit.classification import library
    from embedkit.classification.api import describe
    from embedkit.errors import EmbedkitError
    from embedkit_cli.classifiers import classifiers_table
    from embedkit_cli.failure import say
    from embedkit_cli.output import emit

    found: list[ClassifierInfo] = []
    code = 0
    for name in library.names(session.home):
        try:
            found.append(describe(session.home, name))
        except EmbedkitError as error:
            say(f"{name}: {error}")
            code = 1
    if not found and not code:
        say(
            f"there is no classifier in {session.home}; make one with: "
            "embedkit classify train FILE --label COLUMN"
        )
    emit(session.format, [info.to_dict() for info in found], lambda: classifiers_table(found))
    return code
