"""Label audit: how many planted errors it finds, and what its choice of rows to label is worth.

    python benchmarks/audit.py trec.csv.gz:text:label banking.csv:text:label --seeds 3
    python benchmarks/audit.py trec.csv.gz:text:label --next

A set is FILE:TEXT:LABEL, or FILE:TEXT:LABEL:VECTORS.npy where its vectors are there already.

Some labels (``--rate``, 5 % by default) are replaced by others at random, and the audit does not
know which. ``noise`` is its own estimate of the share of wrong labels, ``flagged`` the rows that it
would have a person look at, ``expected`` the precision that it promises for them. The data have
errors of their own, which a precision against the planted ones counts as false alarms:
``precision*`` passes over rows that the audit flags in the untouched data, too. ``best F1`` is that
of the best cut with hindsight: what the ranking would allow. Where cleanlab is installed, its
``find_label_issues`` gets the same probabilities (with its default, ``prune_by_noise_rate``, and
with ``both``).

With ``--next``, a classifier starts from a few labelled rows and gets more, twenty at a time: those
that the audit suggests, those of least margin, or random ones. Figures are accuracies on held-out
rows after each step, means over seeds.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embedkit.catalog import resolve_home
from embedkit.classification.audit.evidence import Evidence, gather
from embedkit.classification.audit.mislabelled import label_errors
from embedkit.classification.audit.nearest import nearest
from embedkit.classification.audit.noise import learn_noise
from embedkit.classification.audit.suggest import POOL, choose_next, margin
from embedkit.classification.crossfit import crossfit
from embedkit.classification.embedding import embed_for
from embedkit.classification.fitted import make_head
from embedkit.classification.inputs import Inputs
from embedkit.classification.labelled import read_labelled

HELD_OUT = 1000
STEP = 20


@dataclass
class Data:
    name: str
    texts: list[str]
    labels: list[str]
    vectors: Any

    def audited(self, labels: list[str], options: argparse.Namespace, seed: int) -> Evidence:
        return gather(
            self.texts,
            labels,
            list(range(len(labels))),
            [],
            self.vectors,
            head=options.head,
            folds=options.folds,
            seed=seed,
        )


def main() -> None:
    options = _options()
    for given in options.sets:
        data = _read(given, options)
        if options.next:
            _next(data, options)
        else:
            _errors(data, options)


def _errors(data: Data, options: argparse.Namespace) -> None:
    n, names = len(data.texts), sorted(set(data.labels))
    print(f"\n{data.name}: {n:,} rows, {len(names)} labels, head {options.head}")
    columns = ("noise", "flagged", "recall", "precision", "precision*", "expected", "F1")
    columns += ("best-F1", "CPU-s")
    print(f"{'':28}" + "".join(f"{column:>11}" for column in columns))
    untouched, _ = label_errors(data.audited(data.labels, options, 0))
    suspects = _mask([error.line for error in untouched], n)
    print(f"flagged without any planted: {suspects.sum()}")
    rows: dict[str, list[list[float]]] = {}
    for seed in range(options.seeds):
        labels, wrong = _flipped(data.labels, names, options.rate, seed)
        start = time.process_time()
        evidence = data.audited(labels, options, seed)
        found, expected = label_errors(evidence)
        spent = time.process_time() - start
        flagged = _mask([error.line for error in found], n)
        measured = _measured(flagged, wrong, suspects)
        best = _best_f1(evidence.wrong, wrong)
        line = [evidence.noise.rate, *measured[:4], expected or 0.0, measured[4], best, spent]
        rows.setdefault("embedkit", []).append(line)
        for name, mask in _peers(evidence).items():
            measured = _measured(mask, wrong, suspects)
            rows.setdefault(name, []).append([np.nan, *measured[:4], np.nan, measured[4]])
    for name, lines in rows.items():
        means = np.mean(lines, axis=0)
        told = [
            "" if np.isnan(x) else f"{x:.0f}" if i in (1, 8) else f"{x:.3f}"
            for i, x in enumerate(means)
        ]
        print(f"{name:28}" + "".join(f"{x:>11}" for x in told), flush=True)


def _peers(evidence: Evidence) -> dict[str, Any]:
    if importlib.util.find_spec("cleanlab") is None:
        return {}
    from cleanlab.filter import find_label_issues

    p = evidence.probabilities
    p = p / p.sum(axis=1, keepdims=True)
    return {
        f"cleanlab {how}": find_label_issues(evidence.targets, p, filter_by=how, n_jobs=1)
        for how in ("prune_by_noise_rate", "both")
    }


def _measured(flagged: Any, wrong: Any, suspects: Any) -> list[float]:
    """Return how many are flagged, recall, precision, precision without suspects, and F1."""
    hits = float((flagged & wrong).sum())
    recall, precision = hits / wrong.sum(), hits / max(flagged.sum(), 1)
    lenient = hits / max((flagged & (wrong | ~suspects)).sum(), 1)
    f1 = 2 * recall * precision / max(recall + precision, 1e-9)
    return [float(flagged.sum()), recall, precision, lenient, f1]


def _best_f1(score: Any, wrong: Any) -> float:
    hits = np.cumsum(wrong[np.argsort(-score, kind="stable")])
    return float((2 * hits / (np.arange(1, len(hits) + 1) + wrong.sum())).max())


def _flipped(labels: list[str], names: list[str], rate: float, seed: int) -> tuple[list[str], Any]:
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(labels))[: round(rate * len(labels))].tolist()
    out = list(labels)
    for row in rows:
        out[row] = str(rng.choice([name for name in names if name != labels[row]]))
    return out, _mask(rows, len(labels))


def _mask(rows: list[int], n: int) -> Any:
    mask = np.zeros(n, np.bool_)
    mask[rows] = True
    return mask


# -- what to label next -------------------------------------------------------------------------


def _next(data: Data, options: argparse.Namespace) -> None:
    names = sorted(set(data.labels))
    place = {name: i for i, name in enumerate(names)}
    targets = np.array([place[label] for label in data.labels])
    start, steps = max(STEP, 2 * len(names)), options.steps
    print(f"\n{data.name}: from {start} labelled rows, {STEP} more each step")
    for how in ("random", "margin", "audit"):
        curves = [
            _curve(data, targets, len(names), how, start, steps, options.next_head, seed)
            for seed in range(options.seeds)
        ]
        mean = np.mean(curves, axis=0)
        spread = np.std([np.mean(curve[1:]) for curve in curves]) / max(1, options.seeds) ** 0.5
        print(
            f"{how:8}"
            + " ".join(f"{x:.3f}" for x in mean)
            + f"   mean {mean[1:].mean():.4f} ± {spread:.4f}",
            flush=True,
        )


def _curve(
    data: Data, targets: Any, n_classes: int, how: str, start: int, steps: int, head: str, seed: int
) -> list[float]:
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(targets))
    held, pool = order[:HELD_OUT], order[HELD_OUT:]
    known = pool[:start]
    curve = []
    for step in range(steps + 1):
        made = make_head(head, "single")
        inputs = Inputs([data.texts[i] for i in known], data.vectors[known])
        made.fit(inputs, targets[known], n_classes, seed=seed)
        test = Inputs([data.texts[i] for i in held], data.vectors[held])
        curve.append(float((made.scores(test).argmax(axis=1) == targets[held]).mean()))
        if step < steps:
            free = np.setdiff1d(pool, known)
            known = np.concatenate(
                (
                    known,
                    free[
                        _chosen(
                            how,
                            made,
                            inputs,
                            data,
                            targets[known],
                            free,
                            n_classes,
                            head,
                            rng,
                            seed,
                        )
                    ],
                )
            )
    return curve


def _chosen(
    how: str,
    made: Any,
    inputs: Inputs,
    data: Data,
    targets: Any,
    free: Any,
    n_classes: int,
    head: str,
    rng: Any,
    seed: int,
) -> Any:
    if how == "random":
        return rng.permutation(len(free))[:STEP]
    unseen = Inputs([data.texts[i] for i in free], data.vectors[free])
    own = crossfit(
        lambda: make_head(head, "single"), inputs, targets, n_classes, folds=5, seed=seed
    )
    p = learn_noise(own, targets).probabilities(made.scores(unseen))
    if how == "margin":
        return np.argsort(margin(p), kind="stable")[:STEP]
    near = nearest(unseen.vectors, inputs.vectors, 1)[1][:, 0]
    some = rng.permutation(len(free))[:POOL]
    places = choose_next(1 - margin(p[some]), unseen.vectors[some], near[some], STEP).places
    return some[places]


def _read(given: str, options: argparse.Namespace) -> Data:
    file, text, label, *vectors = given.split(":")
    rows = read_labelled(file, text=text, label=label)
    if options.rows is not None and options.rows < len(rows):
        some = np.sort(np.random.default_rng(0).permutation(len(rows))[: options.rows])
    else:
        some = np.arange(len(rows))
    texts = [rows.texts[i] for i in some.tolist()]
    labels = [str(rows.labels[i]) for i in some.tolist()]
    if vectors:
        # One a line of the file, the header not counted.
        made = np.load(vectors[0])[some]
    else:
        made = embed_for(options.embedder, texts, resolve_home(options.home))
    return Data(Path(file).name, texts, labels, made)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="+", metavar="FILE:TEXT:LABEL[:VECTORS]")
    parser.add_argument("--rows", type=int, help="a random sample of so many rows")
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--head", default="auto")
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--embedder", default="minilm")
    parser.add_argument("--home")
    parser.add_argument("--next", action="store_true", help="simulate labelling instead")
    parser.add_argument("--next-head", default="logreg")
    parser.add_argument("--steps", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
