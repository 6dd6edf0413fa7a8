"""``embedkit classify show``."""

from __future__ import annotations

import click

from embedkit_cli.classifiers import choose_classifier, complete_classifier
from embedkit_cli.lazy import Command
from embedkit_cli.options import printing
from embedkit_cli.session import Session, pass_session


@click.command(cls=Command, example="embedkit classify show")
@click.argument("name", required=False, shell_complete=complete_classifier)
@printing()
@pass_session
def show(session: Session, name: str | None) -> int:
    """Describe a classifier: labels, head, how good it is, what it was trained on."""
    from embedkit.classification.api import describe
    from embedkit_cli.classifiers import describe_classifier
    from embedkit_cli.output import emit

    info = describe(session.home, choose_classifier(session, name))
    emit(session.format, info.to_dict(), lambda: describe_classifier(info))
    return 0
