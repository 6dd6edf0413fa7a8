"""Summarize an article by sentences of its own, and rank summaries that came from elsewhere.

Run it from any folder, no network needed::

    python examples/summarize.py
"""

from __future__ import annotations

import csv
from pathlib import Path

import embedkit

ARTICLES = Path(__file__).with_name("articles.csv")
WRITTEN = [
    "The bridge at Halden closes for eleven months because two of its piers have sunk.",
    "The bridge at Halden closes for 48 months because two of its piers have sunk.",
    "The bridge at Halden will close because of",
]


def main() -> None:
    """Summarize, look at the candidates, and judge texts that others wrote."""
    with ARTICLES.open(encoding="utf-8") as file:
        article = next(csv.DictReader(file))["text"]

    summary = embedkit.summarize(article, length="short")
    print(f"{summary.text}\n")
    for each in summary.ranking:
        rank = each.rank or "-"
        print(f"  {rank}  {each.score:+.2f}  {len(each.text.split())} words")

    print("\nAs points:")
    print(embedkit.summarize(article, form="points", length="medium").text)

    print("\nTexts from elsewhere:")
    for each in embedkit.rank_candidates(article, WRITTEN):
        why = each.rejections[0].reason if each.rejections else "passes"
        print(f"  {each.text}\n    {why}")


if __name__ == "__main__":
    main()
