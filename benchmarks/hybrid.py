"""Whether search by meaning and by words together beats either alone, set by set.

    python benchmarks/hybrid.py DATA --cache FOLDER

DATA is a folder of public sets, each a ``.csv.gz`` or ``.jsonl.gz`` file; those that are there are
used. ``cisi`` has judgements of many abstracts a query, and nothing was chosen on it. The others
have one answer a query, or a few: a title's abstract, a question's passage in four languages, a
question put otherwise, a summary's paper; ``typos`` and ``codes`` are made here of the abstracts:
the titles with letters swapped, and questions for a code that one abstract holds.

The table shows nDCG@10 with 95 % bootstrap intervals; the last column is how far the default fusion
is above the better of the two lists, query by query, with its interval.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import embedkit
from embedkit.evaluation.bootstrap import mean_with_interval
from embedkit.evaluation.retrieval import ndcg
from embedkit.indexes.rows import RowIndex
from embedkit.lexical.index import LexicalIndex
from embedkit.retrieval.fusion import fuse, parse
from embedkit.retrieval.hybrid import DEPTH

FUSIONS = ["rrf?k=60", "weighted?dense=0.7&norm=minmax", "weighted?dense=0.5&norm=minmax"]
QUERIES = 1500
"""Queries of a set, at most."""
CODES = 300


@dataclass(frozen=True)
class Judged:
    """Texts, queries, and which texts answer each."""

    name: str
    texts: Sequence[str]
    queries: Sequence[str]
    answers: Sequence[set[int]]


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the rows of a file; none where it is not there."""
    for path in (folder / f"{name}.csv.gz", folder / f"{name}.jsonl.gz"):
        if path.exists():
            with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
                if path.name.endswith(".csv.gz"):
                    csv.field_size_limit(sys.maxsize)
                    return list(csv.DictReader(file))
                return [json.loads(line) for line in file]
    return []


def cisi(folder: Path) -> Iterator[Judged]:
    """Abstracts on library science and requests for them."""
    docs, qrels = rows(folder, "cisi_docs"), rows(folder, "cisi_qrels")
    place = {row["doc_id"]: i for i, row in enumerate(docs)}
    answers: dict[str, set[int]] = {}
    for row in qrels:
        answers.setdefault(row["query_id"], set()).add(place[row["doc_id"]])
    queries = [row for row in rows(folder, "cisi_queries") if row["query_id"] in answers]
    if queries:
        texts = [row["text"] for row in docs]
        found = [answers[row["query_id"]] for row in queries]
        yield Judged("cisi", texts, [row["text"] for row in queries], found)


def xquad(folder: Path) -> Iterator[Judged]:
    """Questions and the passages that answer them, each language by itself."""
    passages, questions = rows(folder, "xquad_passages"), rows(folder, "xquad_questions")
    for lang in dict.fromkeys(row["lang"] for row in passages):
        texts = [row for row in passages if row["lang"] == lang]
        place = {row["passage_id"]: i for i, row in enumerate(texts)}
        asked = [row for row in questions if row["lang"] == lang][:QUERIES]
        yield Judged(
            f"xquad-{lang}",
            [row["text"] for row in texts],
            [row["question"] for row in asked],
            [{place[row["passage_id"]]} for row in asked],
        )


def arxiv(folder: Path) -> Iterator[Judged]:
    """Titles and abstracts: as they are, with typing errors, and with codes."""
    papers = rows(folder, "arxiv_abstracts")
    if not papers:
        return
    texts, titles = [row["abstract"] for row in papers], [row["title"] for row in papers][:QUERIES]
    own = [{i} for i in range(len(titles))]
    yield Judged("arxiv", texts, titles, own)
    generator = np.random.default_rng(5)
    yield Judged("typos", texts, [mistyped(title, generator) for title in titles], own)
    codes = [code(generator) for _ in range(min(CODES, len(texts)))]
    held = [
        f"{text[:300]} See {name}. {text[300:]}" for text, name in zip(texts, codes, strict=False)
    ]
    asked = [f"what is known about {name}?" for name in codes]
    yield Judged("codes", held + texts[len(held) :], asked, own[: len(codes)])


def mistyped(text: str, generator: np.random.Generator) -> str:
    """Return a text in which two letters are swapped in one long word of three."""
    words = text.split()
    long = [i for i, word in enumerate(words) if len(word) >= 5 and word.isalpha()]
    for i in generator.permutation(long)[: max(1, len(long) // 3)]:
        at = int(generator.integers(1, len(words[i]) - 1))
        word = words[i]
        words[i] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)


def code(generator: np.random.Generator) -> str:
    """Return a code such as ORA-00942, QX-1234 or 0x7F3A."""
    number, kind = int(generator.integers(1000, 99_999)), int(generator.integers(3))
    letters = "".join(chr(65 + int(i)) for i in generator.integers(26, size=2))
    return (f"ORA-{number:05}", f"{letters}-{number}", f"0x{number:X}")[kind]


def quora(folder: Path) -> Iterator[Judged]:
    """Questions and the same put otherwise."""
    pairs = rows(folder, "quora_duplicate_pairs_dev")
    texts = sorted({row["question2"] for row in pairs})
    place = {text: i for i, text in enumerate(texts)}
    answers: dict[str, set[int]] = {}
    for row in pairs:
        answers.setdefault(row["question1"], set()).add(place[row["question2"]])
    asked = sorted(answers)[:QUERIES]
    if asked:
        yield Judged("quora", texts, asked, [answers[question] for question in asked])


def scitldr(folder: Path) -> Iterator[Judged]:
    """Summaries of one sentence and the abstracts they sum up."""
    papers = rows(folder, "scitldr_train_dev")
    if papers:
        asked = [row["summaries"][0] for row in papers[:QUERIES]]
        texts = [" ".join(row["sentences"]) for row in papers]
        yield Judged("scitldr", texts, asked, [{i} for i in range(len(asked))])


SETS: tuple[Callable[[Path], Iterator[Judged]], ...] = (xquad, arxiv, quora, scitldr, cisi)


def vectors(judged: Judged, embedder: Any, cache: Path | None) -> tuple[Any, Any]:
    """Return the vectors of texts and queries, embedded once where there is a cache."""
    made = []
    for what, texts, kind in (
        ("texts", judged.texts, "document"),
        ("queries", judged.queries, "query"),
    ):
        path = cache / f"{judged.name}-{what}.npy" if cache else None
        if path is not None and path.exists():
            found = np.load(path)
            if len(found) == len(texts):
                made.append(found)
                continue
        made.append(embedder.embed(list(texts), input_type=kind))
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, made[-1])
    return made[0], made[1]


def rankings(judged: Judged, texts: Any, queries: Any, fusions: Sequence[str]) -> dict[str, Any]:
    """Return the ten best rows of each query by each way of searching."""
    n, live = len(judged.texts), np.ones(len(judged.texts), np.bool_)
    dense = RowIndex.build(texts, metric="cosine", spec="flat", live=live).search(
        queries, min(DEPTH, n)
    )
    index = LexicalIndex.of(live, None, [(np.arange(n), judged.texts)])
    lexical = index.search(judged.queries, min(DEPTH, n))
    out = {"dense": dense.keys[:, :10], "bm25": lexical.keys[:, :10]}
    for spec in fusions:
        fused = fuse(
            dense,
            lexical,
            10,
            parse(spec),
            lambda query, rows: texts[rows] @ queries[query],
            [index.mass(query) for query in judged.queries],
        )
        out[spec] = fused.keys
    return out


def scores(keys: Any, answers: Sequence[set[int]]) -> np.ndarray:
    """Return the nDCG@10 of each query."""
    out = []
    for row, relevant in zip(keys, answers, strict=True):
        ranking = [str(key) for key in row.tolist() if key >= 0]
        out.append(ndcg(ranking, {str(key): 1.0 for key in relevant}) or 0.0)
    return np.array(out)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Search by meaning and by words, fused.")
    parser.add_argument("data", type=Path, help="folder of the public sets")
    parser.add_argument("--cache", type=Path, help="folder that keeps the vectors between runs")
    parser.add_argument("--embedder", default="minilm")
    parser.add_argument("--fusions", nargs="+", default=FUSIONS)
    options = parser.parse_args(arguments)
    embedder, found = embedkit.embedder(options.embedder), False
    for make in SETS:
        for judged in make(options.data):
            made = rankings(
                judged, *vectors(judged, embedder, options.cache), [*options.fusions, "weighted"]
            )
            each = {name: scores(keys, judged.answers) for name, keys in made.items()}
            if not found:
                print("  ".join(["set       ", *(f"{name:>30}" for name in each), "gain"]))
            found = True
            means = {name: mean_with_interval(values.tolist()) for name, values in each.items()}
            cells = (f"{m.mean:.3f} ({m.low:.3f} to {m.high:.3f})" for m in means.values())
            better = max(("dense", "bm25"), key=lambda name: means[name].mean)
            gain = mean_with_interval((each["weighted"] - each[better]).tolist())
            print(
                "  ".join([f"{judged.name:10}", *(f"{cell:>30}" for cell in cells)]),
                f" {gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})",
                flush=True,
            )
    if not found:
        parser.error(f"there is no set in {options.data}")


if __name__ == "__main__":
    main()
