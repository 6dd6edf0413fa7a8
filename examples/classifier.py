"""Learn the topics of labelled questions, and say so where the answer is not known.

Run it from any folder, no network needed::

    python examples/classifier.py
"""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import embedkit

QUESTIONS = Path(__file__).with_name("questions.csv")
ASKED = ["Can I send back the boots?", "How long does it take?", "Fold the egg whites in."]


def main() -> None:
    """Train, ask, save and load."""
    with QUESTIONS.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with tempfile.TemporaryDirectory() as home:
        classifier = embedkit.TextClassifier("minilm", home=home)
        classifier.fit([row["question"] for row in rows], [row["topic"] for row in rows])

        report = classifier.report_
        right = report.measures["accuracy"]
        print(f"{report.head}: {right.mean:.3f} right ({right.low:.3f} to {right.high:.3f})\n")

        for text, said in zip(ASKED, classifier.classify(ASKED, abstain_below=0.5), strict=True):
            label = said.label or f"not sure, perhaps {said.best}"
            print(f"  {said.probability:.2f}  {text}  {label}")

        saved = Path(home) / "topics"
        classifier.save(saved)
        again = embedkit.TextClassifier.load(saved)
        print(f"\nloaded again: {again.predict(['May I pay by card?'])[0]}")


if __name__ == "__main__":
    main()
