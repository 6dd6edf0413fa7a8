"""Index with Cohere where there is a key and a network, with the bundled model where there is not.

With a key of your own, or without one::

    CO_API_KEY=... python examples/cohere_or_local.py

Vectors of two models cannot be mixed, so each has a collection of its own. Here everything lies in
a temporary folder; leave out ``home`` to keep it, and what was paid for is not paid for again.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import embedkit
from embedkit.errors import CredentialsError, QuotaError, UnavailableError

QUESTIONS = Path(__file__).with_name("questions.csv")
CHOICES = {"managed": "cohere:embed-v4.0?dimension=512", "local": "minilm"}


def index(home: str) -> embedkit.Collection:
    """Return a collection of the questions, filled by the first model that is to be had."""
    for name, embedder in CHOICES.items():
        questions = embedkit.open(f"questions-{name}", home=home, embedder=embedder)
        try:
            plan = questions.index(QUESTIONS, text="question", id="id", dry_run=True)
            print(f"{embedder}: {plan.embedded} texts to embed, cost {plan.cost or 0:.4f} USD")
            questions.index(QUESTIONS, text="question", id="id", max_cost=0.05)
        except (CredentialsError, QuotaError, UnavailableError) as error:
            print(f"{embedder}: {error}")
        else:
            return questions
    raise SystemExit("no model is to be had")


def main() -> None:
    """Index, then search whichever collection came about."""
    with tempfile.TemporaryDirectory() as home, index(home) as questions:
        print(f"\n{questions.info().model_id}")
        for hit in questions.search("how do I get my money back?", k=3):
            print(f"  {hit.score:.3f}  {hit.id}  {hit.text}")


if __name__ == "__main__":
    main()
