"""Whether what candidates are ranked by agrees with people, and whether it is more than length.

    python benchmarks/ranking.py DATA
    python benchmarks/ranking.py DATA --likelihood OUT.jsonl --learn

DATA is a folder of public sets. On ``dailynews_scored_summaries`` (100 articles, three machine
summaries each, each scored by about ten people) every signal is compared with the mean score:
Spearman's correlation within an article, averaged; Pearson's, of both without the article's mean;
the latter given the logarithm of the number of words; and how often the better of two summaries
whose lengths differ by less than a tenth has the higher value. Intervals are 95 %, by bootstrap
over articles. The blend's figures are those of articles that its weights were not learned on: ten
folds over articles, five times; how much the weights are held back is chosen within each fold.
Which rankers it is made of was chosen by a look at all of these articles, so the figures flatter it
a little.

On ``scitldr_train_dev`` and ``dialogsum_dev``, on which nothing is learned, the summaries that
people wrote are put beside damaged ones and beside sentences of the source.

``--learn`` writes ``embedkit/ranking/blend.json``: weights learned on all articles, the scales of
all rankers, and these figures. ``--likelihood`` takes what ``benchmarks/likelihood.py`` wrote.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _others import others
from rouge_score.rouge_scorer import RougeScorer
from scipy.optimize import nnls
from scipy.stats import spearmanr

import embedkit
from embedkit import registry
from embedkit.evaluation.bootstrap import mean_with_interval
from embedkit.ranking.blend import SHIPPED
from embedkit.ranking.pool import Pool
from embedkit.ranking.rankers.source import beyond
from embedkit.ranking.words import count_words
from embedkit.threads import single_threaded_products
from embedkit.types import Candidate, Token

NAME = "dailynews_scored_summaries"
LEARNED = ("content", "coverage", "lead", "variety")
"""What the blend is learned of: few, each with a sign that is known before."""
FIXED = {"cue": 0.25, "agreement": 0.1, "grounding": 0.03, "length": 1.0}
"""Not learned, since there is nothing here to learn it from: one news article in four has a cue,
three summaries are too few to agree, 98 % of their content words stand in their articles, and none
is longer than was asked. A candidate that is twice too long loses 0.69 points, one with a third of
its content words from elsewhere 0.15. What cues and agreement are worth shows where people wrote
one sentence on a paper (``benchmarks/summarizing.py``)."""
PENALTIES = (3.0, 10.0, 30.0, 100.0, 300.0)
FOLDS, TIMES, INNER = 10, 5, 5
ALIKE = 0.1


@dataclass(frozen=True)
class Article:
    """The candidates of an article: their values by signal, and what people said of them."""

    values: Mapping[str, Any]
    scores: Any
    lengths: Any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--embedder", default="minilm")
    parser.add_argument("--likelihood", type=Path, help="what benchmarks/likelihood.py wrote")
    parser.add_argument("--learn", action="store_true", help="write embedkit/ranking/blend.json")
    parser.add_argument("--papers", type=int, default=300, help="of scitldr, and of dialogsum")
    options = parser.parse_args()
    embedder = embedkit.embedder(options.embedder)
    with single_threaded_products():
        articles = read(options.data, embedder, options.likelihood)
        figures, weights = judge(articles)
        if options.learn:
            write(articles, weights, figures)
        others(options.data, embedder, options.papers)


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def read(folder: Path, embedder: Any, likelihood: Path | None) -> list[Article]:
    known: dict[Any, list[list[float]]] = {}
    if likelihood is not None:
        lines = [json.loads(line) for line in likelihood.read_text().splitlines()]
        known = {line["id"]: line["logprobs"] for line in lines}
    rouge = RougeScorer(["rougeL"], use_stemmer=True)
    found = []
    for row in rows(folder, NAME):
        told = known.get(row["id"], [[] for _ in row["candidates"]])
        candidates = [
            Candidate(each["summary"], "stop", tokens=tuple(Token("", p) for p in logprobs) or None)
            for each, logprobs in zip(row["candidates"], told, strict=True)
        ]
        pool = Pool(row["text"], tuple(candidates), embedder)
        values = {
            one.name: registry.create("ranker", one.name).score(pool)
            for one in registry.rows("ranker")
            if not registry.resolve("ranker", one.name).question  # type: ignore[attr-defined]
        }
        lengths = np.array([count_words(text) for text in pool.texts], np.float64)
        values["log(words)"] = np.log(lengths)
        values["centroid"] = centroid(pool)
        common = [rouge.score(pool.source, text)["rougeL"] for text in pool.texts]
        values["ROUGE-L to the source"] = np.array([each.fmeasure for each in common])
        values["the same, its precision"] = np.array([each.precision for each in common])
        scores = np.array([each["mean_score"] for each in row["candidates"]])
        found.append(Article(values, scores, lengths))
    return found


def centroid(pool: Pool) -> Any:
    """The cosine with the mean of the source's sentences, as in centroid summarization."""
    mean = pool.source_vectors.astype(np.float64).mean(0)
    return beyond(pool.vectors @ (mean / np.linalg.norm(mean)), pool)


# -- learning ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scale:
    """Where the scores of rankers lie on some articles: their means and deviations."""

    mean: Mapping[str, float]
    deviation: Mapping[str, float]

    @classmethod
    def of(cls, articles: Sequence[Article], names: Sequence[str]) -> Scale:
        mean, deviation = {}, {}
        for name in names:
            every = np.concatenate([article.values[name] for article in articles])
            known = every[~np.isnan(every)]
            if len(known):
                mean[name], deviation[name] = float(known.mean()), float(known.std())
        return cls(mean | {"length": 0.0}, deviation | {"length": 1.0})

    def standard(self, article: Article, names: Sequence[str]) -> Any:
        columns = [(article.values[n] - self.mean[n]) / self.deviation[n] for n in names]
        return np.nan_to_num(np.stack(columns, 1))

    def blend(self, article: Article, weights: Any) -> Any:
        return self.standard(article, LEARNED) @ weights + fixed(article, self)


def within(values: Any) -> Any:
    return values - values.mean(0)


def fixed(article: Article, scale: Scale) -> Any:
    """What the weights that are not learned make of each summary."""
    return scale.standard(article, tuple(FIXED)) @ np.array(list(FIXED.values()))


def fit(articles: Sequence[Article], scale: Scale, penalty: float) -> Any:
    """Ridge regression of differences within an article, no weight below 0."""
    left = np.concatenate([within(scale.standard(a, LEARNED)) for a in articles])
    right = np.concatenate([within(a.scores - fixed(a, scale)) for a in articles])
    ridge = np.sqrt(penalty) * np.eye(len(LEARNED))
    weights, _ = nnls(np.vstack([left, ridge]), np.concatenate([right, np.zeros(len(LEARNED))]))
    return weights


def choose(articles: Sequence[Article], scale: Scale) -> float:
    """The penalty with the least squared error on articles that are left out."""
    folds = np.arange(len(articles)) % INNER
    errors = [0.0] * len(PENALTIES)
    for fold in range(INNER):
        taught = [articles[i] for i in np.flatnonzero(folds != fold)]
        left_out = [articles[i] for i in np.flatnonzero(folds == fold)]
        for i, penalty in enumerate(PENALTIES):
            weights = fit(taught, scale, penalty)
            for article in left_out:
                told = scale.blend(article, weights)
                errors[i] += float(np.sum((within(article.scores) - within(told)) ** 2))
    return PENALTIES[int(np.argmin(errors))]


def learn(articles: Sequence[Article]) -> tuple[Scale, Any]:
    scale = Scale.of(articles, (*LEARNED, *FIXED))
    return scale, fit(articles, scale, choose(articles, scale))


def cross_validate(articles: Sequence[Article]) -> tuple[list[Any], Any]:
    """The blend's scores of each article, TIMES of them, and the weights of every fold."""
    told: list[list[Any]] = [[] for _ in articles]
    weights = []
    for seed in range(TIMES):
        folds = np.random.default_rng(seed).permutation(len(articles)) % FOLDS
        for fold in range(FOLDS):
            scale, learned = learn([articles[i] for i in np.flatnonzero(folds != fold)])
            weights.append(learned)
            for i in np.flatnonzero(folds == fold):
                told[i].append(scale.blend(articles[i], learned))
    return [np.array(each) for each in told], np.array(weights)


# -- judging -----------------------------------------------------------------------------------


def judge(articles: Sequence[Article]) -> tuple[dict[str, Any], Any]:
    held_out, weights = cross_validate(articles)
    scale = Scale.of(articles, LEARNED)
    equal = [scale.standard(article, LEARNED).sum(1)[None] for article in articles]
    listed: dict[str, list[Any]] = {"blend (held out)": held_out, "equal weights": equal}
    for name in articles[0].values:
        signal = [article.values[name][None] for article in articles]
        if not np.isnan(np.concatenate(signal, None)).any():
            listed[name] = signal
    print(f"{NAME}: {len(articles)} articles\n")
    print(f"{'':<24}{'Spearman':>9}  {'interval':<17}{'Pearson':>7}{'given length':>14}", end="")
    print(f"{'alike in length':>17}   blend above it by")
    ours = spearman(articles, held_out)
    figures = {}
    for name, values in listed.items():
        theirs = spearman(articles, values)
        mean, low, high = interval(theirs)
        pearson, partial = correlations(articles, values)
        right, pairs = alike(articles, values)
        line = f"{name:<24}{mean:9.3f}  [{low:6.3f}, {high:6.3f}] {pearson:7.3f}{partial:14.3f}"
        print(f"{line}{right:12.2f} of {pairs}", end="")
        above, least, most = interval(ours - theirs)
        print("" if values is held_out else f"   {above:.3f} [{least:.3f}, {most:.3f}]")
        figures[name] = {
            "spearman": round(mean, 3),
            "interval": [round(low, 3), round(high, 3)],
            "pearson": round(pearson, 3),
            "given_length": round(partial, 3),
            "alike_in_length": round(right, 3),
        }
    print("\nweights over folds, mean and deviation:", end="")
    for name, mean, deviation in zip(LEARNED, weights.mean(0), weights.std(0), strict=True):
        print(f"  {name} {mean:.3f} ± {deviation:.3f}", end="")
    print("\n")
    return figures, weights


def spearman(articles: Sequence[Article], values: Sequence[Any]) -> Any:
    """Of each article, the mean over rounds; 0 where the values are all the same."""

    def one(article: Article, told: Any) -> float:
        if np.ptp(np.round(told, 9)) == 0 or np.ptp(article.scores) == 0:
            return 0.0
        return float(spearmanr(np.round(told, 9), article.scores)[0])

    return np.array(
        [
            np.mean([one(article, told) for told in rounds])
            for article, rounds in zip(articles, values, strict=True)
        ]
    )


def interval(values: Any) -> tuple[float, float, float]:
    found = mean_with_interval(values)
    return float(found.mean), float(found.low), float(found.high)


def correlations(articles: Sequence[Article], values: Sequence[Any]) -> tuple[float, float]:
    """Pearson's, within articles; and the same given the logarithm of the number of words."""
    told = np.concatenate([within(rounds.mean(0)) for rounds in values])
    said = np.concatenate([within(article.scores) for article in articles])
    long = np.concatenate([within(np.log(article.lengths)) for article in articles])
    if np.ptp(told) < 1e-9:
        return 0.0, 0.0
    table = np.corrcoef([told, said, long])
    ab, ac, bc = table[0, 1], table[0, 2], table[1, 2]
    rest = (1 - ac**2) * (1 - bc**2)
    partial = (ab - ac * bc) / np.sqrt(rest) if rest > 1e-9 else 0.0
    return float(ab), float(partial)


def alike(articles: Sequence[Article], values: Sequence[Any]) -> tuple[float, int]:
    """How often the better of two that differ little in length has the higher value."""
    right: list[float] = []
    for article, rounds in zip(articles, values, strict=True):
        told = np.round(rounds.mean(0), 9)
        for i in range(len(told)):
            for j in range(i):
                differ = article.scores[i] - article.scores[j]
                short, long = sorted([article.lengths[i], article.lengths[j]])
                if differ and short > (1 - ALIKE) * long:
                    right.append(0.5 + 0.5 * float(np.sign(differ * (told[i] - told[j]))))
    return float(np.mean(right)), len(right)


def write(articles: Sequence[Article], folds: Any, figures: Mapping[str, Any]) -> None:
    """Write the blend that embedkit comes with."""
    names = [name for name in articles[0].values if name in registry.names("ranker")]
    every, (_, learned) = Scale.of(articles, names), learn(articles)
    scales = {
        name: {"mean": round(every.mean[name], 4), "deviation": round(every.deviation[name], 4)}
        for name in every.mean
    }
    told: dict[str, Any] = {
        "about": "Weights of the default score, in points of a scale from 0 to 4 that people "
        "judged by, for each standard deviation of a ranker's scores.",
        "data": f"{NAME}: 100 news articles, 3 machine summaries each, about 10 people each "
        "(DailyNews_300; Vasilyev et al., Fill in the BLANC, Eval4NLP 2020)",
        "command": "python benchmarks/ranking.py DATA --likelihood OUT.jsonl --learn",
        "embedder": "minilm",
        "weights": {n: round(float(w), 3) for n, w in zip(LEARNED, learned, strict=True)} | FIXED,
        "deviation_over_folds": {
            name: round(float(d), 3) for name, d in zip(LEARNED, folds.std(0), strict=True)
        },
        "not_learned": list(FIXED),
        "scales": scales,
        "figures": figures,
    }
    SHIPPED.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    print(f"wrote {SHIPPED}\n")


if __name__ == "__main__":
    main()
