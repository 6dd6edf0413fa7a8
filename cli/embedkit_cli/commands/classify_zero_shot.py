"""``embedkit classify zero-shot``."""

from __future__ import annotations

from pathlib import Path

import click

from embedkit_cli.failure import say
from embedkit_cli.lazy import Command
from embedkit_cli.options import printing
from embedkit_cli.progress import Progress
from embedkit_cli.session import Session, pass_session


@click.command(
    cls=Command,
    example="embedkit classify zero-shot travel cooking pets --name guess\n"
    'embedkit classify zero-shot good="I love it" bad="I hate it" --name mood',
)
@click.argument("labels", metavar="LABEL[=TEXT]...", nargs=-1, required=True)
@click.option("--name", metavar="NAME", required=True, help="Name to keep the classifier under.")
@click.option(
    "--template",
    "templates",
    metavar="TEXT",
    multiple=True,
    help='What stands around a label: "This text is about {label}."; may be repeated.',
)
@click.option(
    "--unlabelled",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Texts such as are to be labelled, one a line: they even out the labels.",
)
@click.option("--embedder", metavar="SPEC", help="What embeds the texts.  [default: minilm]")
@click.option("--force", is_flag=True, help="Replace a classifier of that name.")
@printing()
@pass_session
def zero_shot(
    session: Session,
    labels: tuple[str, ...],
    name: str,
    templates: tuple[str, ...],
    unlabelled: Path | None,
    embedder: str | None,
    *,
    force: bool,
) -> int:
    """Make a classifier of labels alone, without any labelled text.

    A text gets the label whose description is nearest; a LABEL without TEXT speaks for itself; TEXT
    may be given several times. How often that is right cannot be told without labelled texts:
    measure it with some (`embedkit classify evaluate`) before you trust it.
    """
    import embedkit
    from embedkit.classification import library
    from embedkit.classification.api import keep
    from embedkit_cli.classifiers import describe_training
    from embedkit_cli.files import lines_of
    from embedkit_cli.output import emit

    library.check_name(name)
    if not force and name in library.names(session.home):
        raise click.UsageError(f"there is a classifier {name!r}; replace it with --force")
    texts = None if unlabelled is None else lines_of(unlabelled)
    more = {"template": list(templates)} if templates else {}
    with Progress() as progress:
        made = embedkit.zero_shot(
            _described(labels),
            embedder=embedder or session.settings.embedder or "minilm",
            unlabelled=texts,
            home=session.home,
            progress=progress.show,
            **more,
        )
        info = keep(made, name, session.home)
    emit(session.format, info.to_dict(), lambda: describe_training(info))
    if session.format == "table":
        command = session.again("classify", "predict", "FILE", "--name", name, "-o", "labelled.csv")
        say(f"to label rows:\n{command}")
    return 0


def _described(labels: tuple[str, ...]) -> dict[str, list[str]] | list[str]:
    """Return the labels with their descriptions, or alone where none has one."""
    described: dict[str, list[str]] = {}
    for told in labels:
        label, _, text = told.partition("=")
        described.setdefault(label.strip(), []).extend([text.strip()] if text.strip() else [])
    if not any(described.values()):
        return list(described)
    return {label: texts or [label] for label, texts in described.items()}
