"""``embedkit classify finetune``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.failure import InterruptedWorkError, say, say_waiting
from embedkit_cli.lazy import Command
from embedkit_cli.options import Number, printing
from embedkit_cli.progress import Progress
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    from embedkit.finetuning.report import FineTuned

MINUTES = 10.0
SEVERAL = "title,body"


@click.command(
    "finetune",
    cls=Command,
    example="embedkit classify finetune questions.csv --label topic --name t --minutes 0.3",
)
@click.argument("source", metavar="SOURCE")
@click.option("--name", metavar="NAME", required=True, help="What the model is to be called.")
@click.option("--text", metavar="COLUMN", help=f"Column of the text; several as {SEVERAL}.")
@click.option("--label", metavar="COLUMN", help="Column of the label.")
@click.option(
    "--model",
    metavar="MODEL",
    default="minilm",
    show_default=True,
    help="What to begin with: minilm, a name on the hub, or a folder.",
)
@click.option(
    "--minutes",
    type=Number(0, min_open=True),
    default=MINUTES,
    show_default=True,
    help="Time that all of it may take.",
)
@click.option("--epochs", type=Number(0, min_open=True), help="Passes, at most.")
@click.option("--batch", type=click.IntRange(4), help="Texts of a step.")
@click.option("--device", metavar="DEVICE", help="Such as cuda:1 or cpu.  [default: the fastest]")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all that is drawn.")
@click.option("--once", is_flag=True, help="Train once; learn nothing from held-out texts.")
@click.option("--force", is_flag=True, help="Replace a model of that name.")
@printing()
@pass_session
def finetune(
    session: Session,
    /,
    source: str,
    name: str,
    text: str | None,
    label: str | None,
    model: str,
    minutes: float,
    epochs: float | None,
    batch: int | None,
    device: str | None,
    seed: int,
    once: bool,
    force: bool,
) -> int:
    """Fine-tune a sentence-transformers model on the labelled texts of SOURCE.

    Texts of one label are drawn together, away from the hard negatives that an index finds for
    them. Texts that are held out say when to stop, and judge whether the new vectors are better
    than the old ones. Where the time allows, training is done again with the former, and the
    weights of several trainings are averaged.
    The model is kept in the home, as a folder that sentence-transformers reads. Ctrl-C ends the
    training with the best weights so far. Needs the extra local.
    """
    import embedkit
    from embedkit.classification.labelled import read_labelled
    from embedkit.finetuning.recipe import Recipe
    from embedkit_cli.output import emit

    chosen: dict[str, Any] = {"epochs": epochs, "batch": batch}
    if once:
        chosen["members"] = 0
    recipe = Recipe(seed=seed, **{k: v for k, v in chosen.items() if v is not None})
    if source == "-":
        say_waiting()
    with Progress("steps") as progress:
        rows = read_labelled(source, text=text, label=label, progress=progress.show)
        for line in (*rows.set_aside(), *rows.notes):
            say(line)
        tuned = embedkit.finetune(
            rows.texts,
            rows.labels,
            name,
            model=model,
            minutes=minutes,
            device=device,
            recipe=recipe,
            home=session.home,
            force=force,
            progress=progress.show,
        )
    emit(session.format, tuned.to_dict(), lambda: describe(tuned))
    if tuned.stopped == "interrupted":
        raise InterruptedWorkError(f"interrupted; the best weights so far are in {tuned.path}")
    if tuned.verdict != "harmed":
        words = ("classify", "train", source, "--label", str(rows.label))
        tail = ("--embedder", tuned.embedder, "--head", tuned.head)
        say(f"next: {session.again(*words, *tail)}")
    return 0


def describe(tuned: FineTuned) -> str:
    """Return what was done in a few lines, the verdict first."""
    from embedkit_cli.text import clean, count

    told = tuned.difference
    gap = told.difference
    name = click.style(clean(tuned.path.name), bold=True)
    verdict = {
        "helped": "fine-tuning helped",
        "harmed": "fine-tuning did harm: use the model it was made from",
        "no difference shown": "no difference shown: label more texts, or use the old model",
    }[tuned.verdict]
    ends = {
        "finished": "ran its length",
        "no gain": "stopped when nothing more was gained",
        "time": "stopped when the time was over",
        "interrupted": "was interrupted",
    }[tuned.stopped]
    learned = count(tuned.learned + (tuned.stop if tuned.members else 0), "text")
    mean = f"are the mean of {tuned.members} trainings, and " if tuned.members > 1 else ""
    return "\n".join(
        [
            f"{name}: {verdict}",
            f"  accuracy on {count(tuned.judge, 'held-out text')}: {told.theirs:.4f} before, "
            f"{told.ours:.4f} after; difference {gap.mean:+.4f} "
            f"(95 % interval {gap.low:+.4f} to {gap.high:+.4f})",
            f"  the head that suits it is {tuned.head}",
            f"  {tuned.epochs:g} epochs; training {ends}",
            f"  the weights {mean}were learned from {learned}",
            f"  {tuned.seconds:,.0f} s, of the processor {tuned.cpu_seconds:,.0f} s",
            f"  {clean(tuned.embedder)}",
        ]
    )
