"""Index a CSV, search it, filter by a column, and ask for the neighbours of one question.

Run it from any folder, no network needed::

    python examples/quickstart.py

It keeps its collection in a temporary folder. Leave out ``home`` to keep yours in ``.embedkit``
below the folder you are in: the next run then embeds only what changed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import embedkit

QUESTIONS = Path(__file__).with_name("questions.csv")


def show(title: str, hits: Iterable[embedkit.Hit]) -> None:
    """Print one line a hit: score, id and the first line of the text."""
    print(f"\n{title}")
    for hit in hits:
        print(f"  {hit.score:.3f}  {hit.id}  {hit.text.splitlines()[0]}")


def main() -> None:
    """Index, search, filter, neighbours; then index again, which costs nothing."""
    with (
        tempfile.TemporaryDirectory() as home,
        embedkit.open("questions", home=home, embedder="minilm") as questions,
    ):
        report = questions.index(QUESTIONS, text="question", id="id")
        print(f"{report.records} questions, {report.embedded} embedded in {report.seconds:.1f} s")

        query = "how do I get my money back?"
        show(query, questions.search(query, k=5))
        where = "topic = 'travel' AND votes > 0"
        show(f"{query} ({where})", questions.search(query, k=3, where=where))

        first = questions.search("jet lag", k=1)[0]
        show(f"like {first.text!r}", questions.similar(first.id, k=3))

        again = questions.index(QUESTIONS, text="question", id="id")
        print(f"\nindexed again: {again.unchanged} unchanged, {again.embedded} embedded")


if __name__ == "__main__":
    main()
