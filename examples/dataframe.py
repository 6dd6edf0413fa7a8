"""Index a pandas DataFrame and read the hits back as one.

Run it from any folder, no network needed::

    python examples/dataframe.py

A polars DataFrame goes in the same way (``polars.read_csv(...)``), and so does an Arrow table.
Column types are kept: a boolean column is a boolean in ``where``, a date is a date.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd

import embedkit

QUESTIONS = Path(__file__).with_name("questions.csv")


def main() -> None:
    """Index the answered questions of a frame, search several at once, count by topic."""
    frame = pd.read_csv(QUESTIONS, parse_dates=["asked"])
    answered = frame[frame["answered"]]

    with (
        tempfile.TemporaryDirectory() as home,
        embedkit.open("answered", home=home) as collection,
    ):
        collection.index(answered, text="question", id="id")

        queries = ["my parcel is late", "dripping tap", "learning to code"]
        found = collection.search_many(queries, k=2, where="asked >= DATE '2025-06-01'")
        hits = pd.DataFrame(
            {"query": query, "score": hit.score, "text": hit.text, **hit.metadata}
            for query, group in zip(queries, found, strict=True)
            for hit in group
        )
        columns = ["query", "score", "text", "topic", "votes"]
        print(hits[columns].to_string(index=False, float_format="%.3f"))


if __name__ == "__main__":
    main()
