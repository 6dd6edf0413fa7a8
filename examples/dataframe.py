"""Index a pandas DataFrame and read the hits back as one.

Run it from any folder, no network needed::

    python examples/dataframe.py

A polars DataFrame goes in the same way (``polars.read_csv(...)``), and so does an Arrow table.
Column types are kept: ``answered`` is a boolean in ``where``, ``asked`` a timestamp.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd

import embedkit

QUESTIONS = Path(__file__).with_name("questions.csv")


def main() -> None:
    """Index a frame, search for several things at once, and make a frame of the hits."""
    frame = pd.read_csv(QUESTIONS, parse_dates=["asked"])

    with tempfile.TemporaryDirectory() as home, embedkit.open("frame", home=home) as collection:
        collection.index(frame, text="question", id="id")

        queries = ["lost luggage", "where is my order?", "learning to code"]
        where = "answered AND asked >= DATE '2025-03-01'"
        found = collection.search_many(queries, k=2, where=where)

    hits = pd.DataFrame(
        {"query": query, "score": hit.score, "text": hit.text, **hit.metadata}
        for query, group in zip(queries, found, strict=True)
        for hit in group
    )
    columns = ["query", "score", "text", "asked", "votes"]
    print(hits[columns].to_string(index=False, float_format="%.3f"))


if __name__ == "__main__":
    main()
