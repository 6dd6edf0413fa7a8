"""Whether a collection answers what it holds, and says so where it does not.

    python benchmarks/asking.py DATA [--limit 300] [--generator smollm]

DATA is a folder of public sets, each a ``.csv.gz`` file; those that are there are used.

- ``xquad``: questions with a short answer that stands in one of 240 passages of 48 articles, kept
  whole and cut into passages. ``found``: that passage is among the first five records, by meaning,
  by words and by both. ``excerpts``: the answer stands in the neighbours with their continuations;
  ``text``: in the answer itself, one or two sentences; ``shown``: in the answer or in the excerpts
  that it names. ``refused``: the collection "does not say", though it does.
- ``article left out``: the same questions, each asked while its article is not in the collection.
  ``answered`` is the share that is answered all the same; also of questions of other sets: ``trec``
  (facts of all kinds) and ``covid_faq``.
- ``covid_faq``: the answers of health authorities, asked by their own questions; ``cited``: the
  answer's record is a source.
- Other languages of ``xquad``: a limit, since the default model knows English.

``seconds`` are of this process's CPU, for a question.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import embedkit
from embedkit import Answer, Collection

FIRST = 5


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    """Return the rows of a file; none where it is not there."""
    path = folder / f"{name}.csv.gz"
    if not path.exists():
        return []
    csv.field_size_limit(sys.maxsize)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def some(listed: Sequence[Any], limit: int) -> Sequence[Any]:
    """Return at most so many, evenly spread."""
    step = max(1, len(listed) // limit) if limit else 1
    return listed[::step][:limit] if limit else listed


def show(name: str, **values: float) -> None:
    """Print a line of figures."""
    told = "  ".join(f"{key} {value:.3f}" for key, value in values.items())
    print(f"{name:24} {told}", flush=True)


def share(flags: Iterable[bool]) -> float:
    """Return the share of what is true."""
    listed = list(flags)
    return sum(listed) / len(listed) if listed else float("nan")


class Bench:
    """Collections in a folder of their own, all asked with the same options."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder = folder
        self.options = options

    def fill(self, name: str, records: Sequence[dict[str, str]], chunk: str | None) -> Collection:
        """Return a collection of some records."""
        collection = embedkit.open(
            name, home=self.folder, embedder=self.options.embedder, chunk=chunk
        )
        collection.upsert(records)
        return collection

    def ask(self, collection: Collection, question: str) -> Answer:
        """Ask a collection."""
        return collection.ask(question, generator=self.options.generator, n=self.options.n, seed=1)

    def answers(
        self, collection: Collection, questions: Sequence[str]
    ) -> tuple[list[Answer], float]:
        """Return the answers, and the seconds of each."""
        self.ask(collection, questions[0])  # loads what there is to load
        began = time.process_time()
        told = [self.ask(collection, question) for question in questions]
        return told, (time.process_time() - began) / len(questions)


def found(collection: Collection, asked: Sequence[dict[str, str]]) -> Iterator[tuple[str, float]]:
    """Yield how often the passage is among the first records, by each way of searching."""
    questions = [row["question"] for row in asked]
    for mode in ("dense", "lexical", "hybrid"):
        hits = collection.search_many(questions, FIRST, mode=mode)  # type: ignore[arg-type]
        pairs = zip(hits, asked, strict=True)
        yield mode, share(row["passage_id"] in {hit.id for hit in some} for some, row in pairs)


def answerable(
    bench: Bench, name: str, collection: Collection, asked: Sequence[dict[str, str]]
) -> None:
    """Print how questions are answered that the collection holds the answers of."""
    told, seconds = bench.answers(collection, [row["question"] for row in asked])
    pairs = list(zip(told, asked, strict=True))
    show(
        name,
        **dict(found(collection, asked)),
        excerpts=share(holds([e.text for e in one.excerpts], row) for one, row in pairs),
        text=share(one.said and holds([one.text], row) for one, row in pairs),
        shown=share(
            one.said and holds([one.text, *(s.text for s in one.sources)], row)
            for one, row in pairs
        ),
        refused=share(not one.said for one in told),
        words=sum(words(one) for one in told) / len(told),
        seconds=seconds,
    )


def holds(texts: Iterable[str], row: dict[str, str]) -> bool:
    """Whether the answer stands in one of the texts, letter for letter."""
    return any(row["answer"].strip() in text for text in texts)


def words(answer: Answer) -> int:
    """Return how many words are shown."""
    return len(answer.text.split()) + sum(len(source.text.split()) for source in answer.sources)


def unanswerable(bench: Bench, name: str, collection: Collection, questions: Sequence[str]) -> None:
    """Print how often questions are answered that the collection holds nothing of."""
    told, seconds = bench.answers(collection, questions)
    show(name, answered=share(one.said for one in told), seconds=seconds)


def without_article(
    bench: Bench,
    collection: Collection,
    passages: Sequence[dict[str, str]],
    asked: Sequence[dict[str, str]],
) -> None:
    """Print how often questions are answered whose article is not there."""
    title = {row["passage_id"]: row["title"] for row in passages}
    said = []
    for article in dict.fromkeys(title[row["passage_id"]] for row in asked):
        gone = [row for row in passages if row["title"] == article]
        collection.delete([row["passage_id"] for row in gone])
        said += [
            bench.ask(collection, row["question"]).said
            for row in asked
            if title[row["passage_id"]] == article
        ]
        collection.upsert(list(map(record, gone)))
    show("xquad, article left out", answered=share(said))


def record(row: dict[str, str]) -> dict[str, str]:
    """Return a passage as a record."""
    return {"id": row["passage_id"], "text": row["text"], "title": row["title"]}


def xquad(bench: Bench, data: Path, limit: int, strangers: dict[str, list[str]]) -> None:
    """Print the figures of the questions on Wikipedia, all languages."""
    every, questions = rows(data, "xquad_passages"), rows(data, "xquad_questions")
    for lang in dict.fromkeys(row["lang"] for row in every):
        passages = [row for row in every if row["lang"] == lang]
        asked = some([row for row in questions if row["lang"] == lang], limit)
        whole = bench.fill(f"xquad-{lang}", list(map(record, passages)), None)
        answerable(bench, f"xquad-{lang}", whole, asked)
        if lang != "en":
            continue
        for chunk in ("tokens=64", "tokens=128,overlap=32"):
            name = f"xquad-{chunk.replace('tokens=', '').replace(',overlap=', '-')}"
            cut = bench.fill(name, list(map(record, passages)), chunk)
            answerable(bench, f"xquad, {chunk}", cut, asked)
        without_article(bench, whole, passages, asked)
        for other, texts in strangers.items():
            unanswerable(bench, f"xquad, asked {other}", whole, some(texts, limit))


def covid(bench: Bench, data: Path, limit: int, strangers: dict[str, list[str]]) -> None:
    """Print the figures of the questions on COVID-19."""
    listed = {row["question"].strip(): row["answer"] for row in rows(data, "covid_faq")}
    if not listed:
        return
    numbered = [{"id": f"a{i}", "text": text} for i, text in enumerate(listed.values())]
    collection = bench.fill("covid", numbered, None)
    asked = some(list(enumerate(listed)), limit)
    told, seconds = bench.answers(collection, [question for _, question in asked])
    pairs = list(zip(told, asked, strict=True))
    show(
        "covid_faq",
        cited=share(f"a{i}" in {s.id for s in one.sources} for one, (i, _) in pairs),
        excerpts=share(f"a{i}" in {e.id for e in one.excerpts} for one, (i, _) in pairs),
        refused=share(not one.said for one in told),
        seconds=seconds,
    )
    for other, texts in strangers.items():
        unanswerable(bench, f"covid_faq, asked {other}", collection, some(texts, limit))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="Answers from a collection, with sources.")
    parser.add_argument("data", type=Path, help="folder of the public sets")
    parser.add_argument("--limit", type=int, default=0, help="questions of a set; 0 for all")
    parser.add_argument("--generator", default="extractive")
    parser.add_argument("-n", type=int, default=5, help="answers that are drawn")
    parser.add_argument("--embedder", default="minilm")
    options = parser.parse_args(arguments)
    trec = [row["text"] for row in rows(options.data, "trec_train")][::11]
    faq = list(dict.fromkeys(row["question"].strip() for row in rows(options.data, "covid_faq")))
    wiki = [
        row["question"] for row in rows(options.data, "xquad_questions") if row["lang"] == "en"
    ][::3]
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options)
        asked = {"trec": trec, "covid_faq": faq}
        xquad(bench, options.data, options.limit, {k: v for k, v in asked.items() if v})
        asked = {"trec": trec, "xquad": wiki}
        covid(bench, options.data, options.limit, {k: v for k, v in asked.items() if v})


if __name__ == "__main__":
    main()
