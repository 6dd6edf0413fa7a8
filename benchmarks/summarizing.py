"""Whether rank and filter pays: the chosen summary beside the mean candidate and the first one.

    python benchmarks/summarizing.py
    python benchmarks/summarizing.py papers.jsonl.gz --generator extractive --rows 1000
    python benchmarks/summarizing.py papers.jsonl.gz --generator smollm --keep candidates.jsonl

The file has an object a line: ``text``, or ``sentences``, a list; and ``summaries``, one or more
references; or it is a CSV with ``text`` and ``title``, the reference. A line tells ROUGE-1, -2 and
-L (F1, stemmed, by rouge_score; the mean over the references) of the summary that
``embedkit.summarize`` chooses, of the first candidate of the generator and of the mean of its
candidates, with the mean paired difference and its 95 % interval (bootstrap over the texts).
``wrong`` is the share of texts whose summary holds a number, or a capitalised word that does not
begin a sentence, that the text does not hold: a check that shares nothing with the filters.

``--keep`` names a file of the candidates that were generated; what it holds is not generated again.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import random
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import embedkit
from embedkit.evaluation.bootstrap import mean_with_interval
from embedkit.summarizing.pipeline import Summarizer
from embedkit.types import Candidate, Token

EXAMPLE = Path(__file__).parents[1] / "examples" / "articles.csv"
MEASURES = ("rouge1", "rouge2", "rougeL")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[^\W\d_]+")


class Kept:
    """A generator whose candidates for each text are kept in a file."""

    def __init__(self, inner: Any, path: Path | None) -> None:
        self.inner, self.path, self.id = inner, path, ""
        self.rows: dict[str, list[Candidate]] = {}
        if path is not None and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                self.rows[row["id"]] = [_read(each) for each in row["candidates"]]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def generate(self, prompt: Any, *, n: int = 1, **options: Any) -> list[Candidate]:
        if len(self.rows.get(self.id, ())) < n:
            self.rows[self.id] = self.inner.generate(prompt, n=n, **options)
            if self.path is not None:
                row = {"id": self.id, "candidates": [_plain(c) for c in self.rows[self.id]]}
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
        return self.rows[self.id][:n]


def _plain(one: Candidate) -> dict[str, Any]:
    tokens = [[token.text, token.logprob] for token in one.tokens or ()]
    return {"text": one.text, "finish_reason": one.finish_reason, "tokens": tokens}


def _read(told: dict[str, Any]) -> Candidate:
    tokens = tuple(Token(text, logprob) for text, logprob in told.get("tokens") or ())
    return Candidate(told["text"], told["finish_reason"], None, None, tokens or None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", nargs="?", default=EXAMPLE, type=Path)
    parser.add_argument("--generator", default="extractive")
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--n", type=int, default=5)
    parser.add_argument("--length", default="short")
    parser.add_argument("--score", default="default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--only-kept", action="store_true", help="only texts that --keep holds")
    options = parser.parse_args()

    inner = embedkit.generator(options.generator)
    takes = inner if hasattr(inner, "from_sources") else Kept(inner, options.keep)
    length = int(options.length) if options.length.isdigit() else options.length
    seed = options.seed if "seed" in inner.supports else None
    summarizer = Summarizer(takes, n=options.n, length=length, score=options.score, seed=seed)
    texts = list(read(options.file))
    random.Random(options.seed).shuffle(texts)
    if options.only_kept:
        texts = [row for row in texts if row[0] in takes.rows]
    figures, wrong, stood_in, began = [], [], 0, time.process_time()
    for id, text, references in texts[: options.rows]:
        if isinstance(takes, Kept):
            takes.id = id
        ranking = summarizer(text).ranking
        own = sorted(
            (each for each in ranking if each.generator == inner.model_id), key=lambda c: c.place
        )
        if not own or ranking.best is None:
            continue
        stood_in += ranking.best.generator != inner.model_id
        each = np.array([rouge(one.text, references) for one in own])
        figures.append([rouge(ranking.best.text, references), each[0], each.mean(axis=0)])
        wrong.append(
            [
                bool(unsupported(ranking.best.text, text)),
                np.mean([bool(unsupported(one.text, text)) for one in own]),
            ]
        )
    report(options, np.array(figures), np.array(wrong, float), stood_in)
    print(f"CPU: {(time.process_time() - began) / max(1, len(figures)):.2f} s a text")


def read(path: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Yield id, text and references."""
    data = path.read_bytes()
    told = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    if path.suffix == ".csv":
        lines = [{**row, "summaries": [row["title"]]} for row in csv.DictReader(io.StringIO(told))]
    else:
        lines = [json.loads(line) for line in told.splitlines()]
    for number, row in enumerate(lines):
        text = row.get("text") or " ".join(one.strip() for one in row["sentences"])
        if row.get("summaries") and text.strip():
            yield str(row.get("id", number)), text, row["summaries"]


def rouge(text: str, references: Sequence[str]) -> list[float]:
    """Return the F1 of each measure, the mean over references."""
    from rouge_score.rouge_scorer import RougeScorer

    global _scorer
    if _scorer is None:
        _scorer = RougeScorer(list(MEASURES), use_stemmer=True)
    scores = [_scorer.score(reference, text) for reference in references]
    return [float(np.mean([score[name].fmeasure for score in scores])) for name in MEASURES]


_scorer: Any = None


def unsupported(summary: str, text: str) -> list[str]:
    """Return the numbers and the capitalised words within sentences that a text does not hold."""
    numbers = set(_NUMBER.findall(text))
    words = {word.lower() for word in _WORD.findall(text)}
    found = [number for number in _NUMBER.findall(summary) if number not in numbers]
    for match in _WORD.finditer(summary):
        before = summary[: match.start()].rstrip("\"'“‘( \n")
        begins = not before or before[-1] in ".!?:-•"
        if match[0][0].isupper() and not begins and match[0].lower() not in words:
            found.append(match[0])
    return found


def report(options: Any, figures: Any, wrong: Any, stood_in: int) -> None:
    told = f"{options.file.name}, {options.generator}, {options.length}, {len(figures)} texts"
    print(f"{told}, {options.n} candidates each")
    print(f"{'':9}chosen  first   mean    chosen - first           chosen - mean")
    for i, name in enumerate(MEASURES):
        chosen, first, mean = figures[:, :, i].T * 100
        line = f"{name:<9}{chosen.mean():<8.2f}{first.mean():<8.2f}{mean.mean():<8.2f}"
        for other in (first, mean):
            gap = mean_with_interval(chosen - other)
            told = f"{gap.mean:+.2f} [{gap.low:+.2f}, {gap.high:+.2f}]"
            line += f"{told:<25}"
        print(line.rstrip())
    best, candidates = wrong.mean(axis=0)
    print(f"wrong: {best:.4f} of the chosen, {candidates:.4f} of the candidates; ", end="")
    print(f"an extract stood in for {stood_in} texts")


if __name__ == "__main__":
    main()
