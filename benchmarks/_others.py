"""Sets on which nothing is learned: what people wrote beside what is worse, for ranking.py."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rouge_score.rouge_scorer import RougeScorer

from embedkit.evaluation.bootstrap import mean_with_interval
from embedkit.ranking.blend import scorer
from embedkit.ranking.pool import Limits, Pool
from embedkit.ranking.rankers.source import content_words, function_words
from embedkit.ranking.words import count_words
from embedkit.types import Candidate

ALIKE = 0.1
MOST = {"scitldr_train_dev": 40, "dialogsum_dev": 60}
"""Words that a summary of each set may have."""


@dataclass(frozen=True)
class Text:
    source: str
    summary: str


def others(folder: Path, embedder: Any, most: int) -> None:
    for name in MOST:
        path = folder / f"{name}.jsonl.gz"
        if not path.exists():
            continue
        texts = list(read(path))
        random.Random(0).shuffle(texts)
        texts = texts[:most]
        damaged(name, texts, embedder)
        chosen(name, texts, embedder)


def read(path: Path) -> Iterator[Text]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for row in map(json.loads, file):
            source = row["text"] if "text" in row else " ".join(row["sentences"])
            if source.strip() and row["summaries"][0].strip():
                yield Text(source, row["summaries"][0])


def damaged(name: str, texts: list[Text], embedder: Any) -> None:
    """How often the default score is higher for a summary than for what was made of it."""
    score = scorer("default")
    wins: dict[str, list[float]] = {}
    for i, text in enumerate(texts):
        draw = random.Random(i)
        other = texts[(i + 1) % len(texts)]
        told = {kind: damage(text, other, draw) for kind, damage in DAMAGES.items()}
        told = {kind: made for kind, made in told.items() if made and made != text.summary}
        listed = tuple(Candidate(made, "stop") for made in (text.summary, *told.values()))
        pool = Pool(text.source, listed, embedder, limits=Limits(None, MOST[name]))
        found = np.round(score(pool, {}), 9)
        for kind, value in zip(told, found[1:], strict=True):
            wins.setdefault(kind, []).append(float(0.5 + 0.5 * np.sign(found[0] - value)))
    print(f"{name}: {len(texts)} summaries by people above what was made of them")
    for kind, listed_wins in wins.items():
        found_mean = mean_with_interval(listed_wins)
        print(
            f"  {kind:<44}{found_mean.mean:.3f} [{found_mean.low:.3f}, {found_mean.high:.3f}]"
            f"  n={len(listed_wins)}"
        )
    print()


def _cut(text: Text, other: Text, draw: random.Random) -> str:
    words = text.summary.split()
    return " ".join(words[: max(1, round(0.6 * len(words)))])


def _twice(text: Text, other: Text, draw: random.Random) -> str:
    return f"{text.summary} {text.summary}"


def _swapped(text: Text, other: Text, draw: random.Random) -> str:
    """Every third content word that the source holds gives way to another summary's."""
    small = function_words(text.source)
    held = content_words(text.source, small)
    instead = [word for word in other.summary.split() if content_words(word, small)]
    words, seen = text.summary.split(), 0
    for i, word in enumerate(words):
        if content_words(word, small) & held:
            seen += 1
            if seen % 3 == 1 and instead:
                words[i] = draw.choice(instead)
    return " ".join(words)


def _elsewhere(text: Text, other: Text, draw: random.Random) -> str:
    return other.summary


def _padded(text: Text, other: Text, draw: random.Random) -> str:
    return f"{text.summary} This is a very interesting text that everybody should read in full."


DAMAGES: dict[str, Callable[[Text, Text, random.Random], str]] = {
    "another text's summary": _elsewhere,
    "cut after 60 % of its words": _cut,
    "said twice": _twice,
    "with empty words behind it": _padded,
    "every third content word another's": _swapped,
}


def chosen(name: str, texts: list[Text], embedder: Any) -> None:
    """Whether the best of the source's sentences that are alike in length is nearer to a person's.

    Length has no say here: of each source, the largest group of sentences whose lengths differ by
    less than a tenth is ranked, and ROUGE of the best one is compared with the group's mean.
    """
    rouge = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    gains: dict[str, list[float]] = {"rouge1": [], "rouge2": [], "rougeL": []}
    score = scorer("default")
    for text in texts:
        whole = Pool(text.source, (), embedder)
        group = _group([sentence.text for sentence in whole.source_sentences])
        if len(group) < 2:
            continue
        pool = Pool(
            text.source,
            tuple(Candidate(each, "stop") for each in group),
            embedder,
            limits=Limits(None, MOST[name]),
        )
        best = int(np.argmax(score(pool, {})))
        each = [rouge.score(text.summary, candidate) for candidate in group]
        for kind, listed in gains.items():
            values = [found[kind].fmeasure for found in each]
            listed.append(values[best] - float(np.mean(values)))
    count = len(gains["rouge1"])
    print(f"{name}: the best of sentences alike in length, above their mean, {count} sources")
    for kind, listed in gains.items():
        gain = mean_with_interval(listed)
        print(f"  {kind:<44}{gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]")
    print()


def _group(sentences: list[str]) -> list[str]:
    """The largest group of sentences whose lengths differ by less than a tenth."""
    ordered = sorted((count_words(each), place) for place, each in enumerate(sentences))
    best: list[tuple[int, int]] = []
    for i, (least, _) in enumerate(ordered):
        group = [pair for pair in ordered[i:] if least > (1 - ALIKE) * pair[0]]
        best = max(best, group, key=len)
    return [sentences[place] for _, place in sorted(best, key=lambda pair: pair[1])]
