"""``embedkit classify explain``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.answering import classifier_option
from embedkit_cli.classifiers import choose_classifier
from embedkit_cli.lazy import Command
from embedkit_cli.options import printing
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    from embedkit.classification.classifier import Classifier


@click.command(
    cls=Command,
    example='embedkit classify explain --name topics "how do I get my money back?"\n'
    "embedkit classify explain --name topics --label travel",
)
@click.argument("texts", metavar="[TEXT]...", nargs=-1)
@classifier_option
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="LABEL",
    help="Explain this label; without TEXT, show it.  [default: the most probable; all]",
)
@click.option("--against", metavar="LABEL", help="Hold it against this.  [default: the next]")
@click.option(
    "--words",
    type=click.IntRange(min=1),
    default=32,
    help="To leave out of a text at most.  [default: 32]",
)
@click.option(
    "--rows",
    type=click.IntRange(min=0),
    default=5,
    help="Of those learned from to show.  [default: 5]",
)
@printing()
@pass_session
def explain(
    session: Session,
    /,
    texts: tuple[str, ...],
    name: str | None,
    labels: tuple[str, ...],
    against: str | None,
    words: int,
    rows: int,
) -> int:
    """Show why TEXT has a label, or, without TEXT, what each label looks like.

    Each word is left out in turn: how far the label's log-odds fall is what the word does. Beside
    it stand the nearest rows learned from. A label is shown by typical rows, by rows that are
    nearly of another label, and by the words that mark it.
    """
    import embedkit

    if texts and len(labels) > 1:
        raise click.UsageError("expected one --label to explain a TEXT by")
    if not texts and against is not None:
        raise click.UsageError("--against needs a TEXT")
    opened = embedkit.classifier(choose_classifier(session, name), home=session.home)
    wanted = [_known(opened, label) for label in labels]
    if not texts:
        return _portraits(session, opened, wanted, rows)
    held = None if against is None else _known(opened, against)
    return _explanations(session, opened, texts, wanted, held, words, rows)


def _explanations(
    session: Session,
    opened: Classifier,
    texts: tuple[str, ...],
    labels: list[Any],
    against: Any,
    words: int,
    rows: int,
) -> int:
    from embedkit_cli.explanations import describe_explanation, explanation_rows, in_plain
    from embedkit_cli.output import emit

    found = [
        opened.explain(
            text,
            label=labels[0] if labels else None,
            against=against,
            words=words,
            neighbours=rows,
        )
        for text in texts
    ]
    value: Any = [one.to_dict() for one in found]
    if session.format == "csv":
        value = explanation_rows(found)
    elif len(found) == 1:
        value = value[0]
    plain = in_plain()
    told = (describe_explanation(one, plain=plain) for one in found)
    emit(session.format, value, lambda: "\n\n\n".join(told))
    return 0


def _portraits(session: Session, opened: Classifier, labels: list[Any], rows: int) -> int:
    from embedkit_cli.explanations import describe_portrait, portrait_rows
    from embedkit_cli.output import emit

    found = opened.portraits(labels or None, count=rows)
    value: Any = [one.to_dict() for one in found]
    if session.format == "csv":
        value = portrait_rows(found)
    emit(session.format, value, lambda: "\n\n\n".join(map(describe_portrait, found)))
    return 0


def _known(opened: Classifier, label: str) -> Any:
    """Return the label that is written so: numbers are labels too."""
    names = {str(name): name for name in opened.fitted.labels.names}
    # What is not known is refused by the labels, which offer the nearest.
    return names.get(label, label)
