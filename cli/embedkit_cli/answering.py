"""Options of commands that ask a classifier: which one, and when it is to say nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from embedkit_cli.classifiers import complete_classifier
from embedkit_cli.options import Number

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def classifier_option(command: Decorated) -> Decorated:
    """Add ``--name``: which classifier is meant."""
    return click.option(
        "--name",
        metavar="NAME",
        shell_complete=complete_classifier,
        help="Classifier.  [default: the only one]",
    )(command)


def answering_options(
    *, abstain_below: str, precision: str, scope: str, coverage: str
) -> Callable[[Decorated], Decorated]:
    """Add ``--abstain-below``, ``--precision``, ``--scope`` and ``--coverage`` with these helps."""
    share = Number(0, 1, min_open=True, max_open=True)
    level = Number(0, 1)

    def decorate(command: Decorated) -> Decorated:
        for names, kind, told in (
            (("--coverage",), share, coverage),
            (("--scope", "scope_level"), level, scope),
            (("--precision",), share, precision),
            (("--abstain-below",), level, abstain_below),
        ):
            command = click.option(*names, type=kind, metavar="P", help=told)(command)
        return command

    return decorate
