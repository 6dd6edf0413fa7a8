"""How fast the embedders are beside sentence-transformers, and how far their vectors agree.

    python benchmarks/embedding.py
    python benchmarks/embedding.py --texts questions.txt --rounds 5

Every round runs every embedder on the same texts, in turn, so that a busy machine is unfair to all
of them alike. Times are medians over the rounds: CPU seconds of the process, all threads counted,
and wall seconds. Throughput is texts per CPU second; the ratio compares it with that of
sentence-transformers. The cosine is the mean over the texts; the overlap is the share of the ten
nearest texts, by sentence-transformers, that the embedder also has among its ten.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from embedkit import registry
from embedkit.embedders.weights import locate_minilm

SPECS = ("hashing", "minilm", "minilm:int8")
PEER = "sentence-transformers"

OPENINGS = ("How do I", "When can we", "Why did they", "Where should I", "Who helped you")
VERBS = ("repair", "return", "paint", "measure", "translate", "compare", "sell", "plant", "insure")
ADJECTIVES = ("old", "broken", "expensive", "borrowed", "electric", "wooden", "unknown", "heavy")
NOUNS = (
    "bicycle", "contract", "piano", "garden", "telescope", "recipe", "passport", "bridge", "violin",
    "turbine", "library card", "insurance policy", "greenhouse", "sailing boat",
)  # fmt: skip
ENDINGS = (
    "before winter", "without a receipt", "on a small budget", "in another country",
    "after the flood", "for my sister", "during the strike", "at night",
)  # fmt: skip


def question(rng: random.Random) -> str:
    """Return a question of about 13 tokens."""
    return (
        f"{rng.choice(OPENINGS)} {rng.choice(VERBS)} the {rng.choice(ADJECTIVES)} "
        f"{rng.choice(NOUNS)} {rng.choice(ENDINGS)}?"
    )


def paragraph(rng: random.Random) -> str:
    """Return a paragraph of about 150 tokens."""
    sentences = (
        f"The {rng.choice(ADJECTIVES)} {rng.choice(NOUNS)} that we had to {rng.choice(VERBS)} "
        f"{rng.choice(ENDINGS)} was near the {rng.choice(NOUNS)}."
        for _ in range(8)
    )
    return " ".join(sentences)


@dataclass
class Entry:
    name: str
    embed: Callable[[list[str]], Any]
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    vectors: Any = None

    def run(self, texts: list[str]) -> None:
        cpu, wall = time.process_time(), time.perf_counter()
        self.vectors = self.embed(texts)
        self.cpu.append(time.process_time() - cpu)
        self.wall.append(time.perf_counter() - wall)


def entries() -> list[Entry]:
    from sentence_transformers import SentenceTransformer

    peer = SentenceTransformer(str(locate_minilm()), device="cpu", local_files_only=True)
    out = [Entry(PEER, lambda texts: peer.encode(texts, normalize_embeddings=True))]
    return out + [Entry(spec, registry.create("embedder", spec).embed) for spec in SPECS]


def overlap(vectors: Any, reference: Any, k: int = 10) -> float:
    """Return the mean share of the k nearest other texts that both have."""

    def nearest(matrix: Any) -> Any:
        scores = matrix @ matrix.T
        np.fill_diagonal(scores, -np.inf)
        return np.argsort(-scores, axis=1)[:, :k]

    pairs = zip(nearest(vectors), nearest(reference), strict=True)
    return float(np.mean([len(set(ours) & set(theirs)) / k for ours, theirs in pairs]))


def compare(title: str, texts: list[str], rounds: int) -> None:
    contestants = entries()
    for entry in contestants:
        entry.run(texts[:8])  # loads the model
        entry.cpu.clear()
        entry.wall.clear()
    for _ in range(rounds):
        for entry in contestants:
            entry.run(texts)
    peer = contestants[0]
    print(f"\n{title}: {len(texts):,} texts, medians of {rounds} rounds\n")
    print(f"{'embedder':<24}{'CPU s':>8}{'wall s':>8}{'texts/CPU s':>13}{'ratio':>8}", end="")
    print(f"{'cosine':>10}{'overlap@10':>12}")
    for entry in contestants:
        cpu = median(entry.cpu)
        line = f"{entry.name:<24}{cpu:>8.3f}{median(entry.wall):>8.3f}{len(texts) / cpu:>13,.0f}"
        line += f"{median(peer.cpu) / cpu:>8.2f}"
        if entry.name.startswith("minilm"):
            line += f"{(entry.vectors * peer.vectors).sum(axis=1).mean():>10.5f}"
            line += f"{overlap(entry.vectors, peer.vectors):>12.3f}"
        print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--texts", type=Path, help="a file of texts, one a line")
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--paragraphs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, help="threads of sentence-transformers (torch)")
    given = parser.parse_args()
    if given.threads:
        import torch

        torch.set_num_threads(given.threads)
    if given.texts:
        lines = [line for line in given.texts.read_text("utf-8").splitlines() if line.strip()]
        compare(given.texts.name, lines, given.rounds)
        return
    rng = random.Random(7)
    compare("questions", [question(rng) for _ in range(given.questions)], given.rounds)
    compare("paragraphs", [paragraph(rng) for _ in range(given.paragraphs)], given.rounds)


if __name__ == "__main__":
    main()
