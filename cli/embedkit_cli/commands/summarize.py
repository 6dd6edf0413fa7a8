"""``embedkit summarize``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.failure import say, say_waiting
from embedkit_cli.lazy import Command
from embedkit_cli.options import Number, printing
from embedkit_cli.progress import Progress
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    from embedkit.summarizing.pipeline import Summarizer

OF_ROWS = ("text", "id_column", "out", "force")


class Length(click.ParamType):  # type: ignore[type-arg]
    """A name, or a number of words."""

    name = "LENGTH"

    def convert(self, value: Any, param: Any, ctx: Any) -> str | int:
        """Return what was typed; the library refuses what cannot be meant."""
        text = str(value).strip()
        return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else text


@click.command(
    cls=Command,
    example="embedkit summarize questions.csv --text question --length 12 -n 2",
)
@click.argument("source", metavar="SOURCE")
@click.option(
    "-n", type=click.IntRange(1, 100), default=5, show_default=True, help="Candidates of each."
)
@click.option(
    "-g",
    "--generator",
    "generators",
    metavar="SPEC",
    multiple=True,
    help="Who writes; several compete.  [default: extractive]",
)
@click.option(
    "--length",
    type=Length(),
    metavar="LENGTH",
    default="short",
    show_default=True,
    help="short, medium, long (40, 100, 250 words), or words.",
)
@click.option(
    "--form",
    type=click.Choice(["prose", "points", "headline"]),
    default="prose",
    show_default=True,
)
@click.option(
    "--show",
    type=click.Choice(["best", "all"]),
    default="best",
    show_default=True,
    help="The best one, or all with scores and rejections.",
)
@click.option("--prompt", metavar="NAME", help="Template, or its file.  [default: summarize]")
@click.option("--score", metavar="SPEC", help="Ranker to go by.  [default: the learned blend]")
@click.option("--embedder", metavar="SPEC", help="What compares sentences.  [default: minilm]")
@click.option("--temperature", type=Number(0), help="Default: that of the template.")
@click.option("--seed", type=click.IntRange(0), help="The same candidates again.")
@click.option(
    "--context", type=click.IntRange(1), metavar="TOKENS", help="What a model is to read at once."
)
@click.option("--text", metavar="COLUMN", help="Of rows: the text; several as title,body.")
@click.option("--id", "id_column", metavar="COLUMN", help="Of rows: what identifies one.")
@click.option("-o", "--out", metavar="OUT", help="Of rows: .jsonl or .csv, added to; resumable.")
@click.option("--force", is_flag=True, help="Of rows: begin OUT anew.")
@printing()
@pass_session
def summarize(session: Session, /, source: str, show: str, **options: Any) -> int:
    """Summarize a text: candidates drawn, filtered and ranked, the best one printed.

    SOURCE is a file of text, - for stdin, or rows with a text each: a CSV, JSON Lines or Parquet
    file, a folder of texts. Candidates with a number, name or date that the text does not hold, cut
    off, copied or off topic are rejected; --show all says why. A text longer than a model reads is
    summarized in parts; nothing is cut. Where no candidate of a model passes, an extract stands in,
    and stderr says so.

    Rows are summarized one after the other. With --out each is written as it comes, and the same
    command goes on where it was stopped. Rows that fail are listed.
    """
    from embedkit.summarizing.documents import holds_rows, read_document
    from embedkit.summarizing.pipeline import Summarizer

    rows = any(options[name] for name in OF_ROWS) or holds_rows(source)
    if source == "-":
        say_waiting()
    if options["force"] and not options["out"]:
        raise click.UsageError("--force is for --out FILE: give both")
    generators = list(options["generators"]) or [session.settings.generator or "extractive"]
    text = None if rows else read_document(source)
    summarizer = Summarizer(
        generators,
        n=options["n"],
        length=options["length"],
        form=options["form"],
        prompt=options["prompt"] or "summarize",
        score=options["score"] or "default",
        embedder=options["embedder"] or session.settings.embedder or "minilm",
        temperature=options["temperature"],
        seed=options["seed"],
        context=options["context"],
    )
    if text is None:
        from embedkit_cli.summaries import print_rows

        return print_rows(session, summarizer, source, options, every=show == "all")
    return _one(session, summarizer, source, text, every=show == "all")


def _one(session: Session, summarizer: Summarizer, source: str, text: str, *, every: bool) -> int:
    from embedkit_cli.output import emit, write
    from embedkit_cli.summaries import candidates_table

    with Progress("") as progress:
        summary = summarizer(text, progress=progress.show)
    for note in summary.notes:
        say(note)
    told = summary.to_dict()
    if every:
        form = session.format
        emit(
            form, told if form == "json" else told["candidates"], lambda: candidates_table(summary)
        )
    elif summary.best is not None and session.given_format in (None, "table"):
        write([summary.text.rstrip() + "\n"])
    elif summary.best is not None:
        emit(session.format, {k: v for k, v in told.items() if k != "candidates"}, str)
    if summary.best is None:
        more = "" if every else "; see why: " + session.again("summarize", source, "--show", "all")
        first = summary.ranking[0].rejections
        reason = f", the best one because {first[0].reason}" if first else ""
        say(f"none of {len(summary.ranking)} candidates passed{reason}{more}")
        return 1
    return 0
