"""Bring your own vectors: keep them in a collection, or use an index alone.

Run it from any folder, no network needed::

    python examples/own_vectors.py

The vectors here are word counts pressed into 64 dimensions with scikit-learn. Yours may come from
any model, as an array of shape (n, dim); queries need vectors of the same model.
"""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

import embedkit

QUESTIONS = Path(__file__).with_name("questions.csv")


def main() -> None:
    """Search a collection by vectors, then the same vectors in an index of their own."""
    with QUESTIONS.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    texts = [row["question"] for row in rows]
    model = make_pipeline(TfidfVectorizer(sublinear_tf=True), TruncatedSVD(64, random_state=0))
    vectors = model.fit_transform(texts)
    query = model.transform(["Is it safe to drink tap water?"])

    with tempfile.TemporaryDirectory() as home, embedkit.open("mine", home=home) as mine:
        records = [
            embedkit.Record(row["id"], row["question"], {"topic": row["topic"]}) for row in rows
        ]
        mine.upsert(records, vectors=vectors)
        for hit in mine.search_vectors(query, k=3)[0]:
            print(f"{hit.score:.3f}  {hit.text}  ({hit.metadata['topic']})")

    index = embedkit.index("turbovec?bits=4", dim=64, metric="cosine")
    index.add(np.arange(len(texts)), vectors)
    index.remove([int(index.search(query, k=1).keys[0, 0])])
    found = index.search(query, k=2)
    print("\nwithout the first:")
    for key, score in zip(found.keys[0], found.scores[0], strict=True):
        print(f"{score:.3f}  {texts[key]}")


if __name__ == "__main__":
    main()
