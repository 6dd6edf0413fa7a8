"""False alarms of filters on what people wrote, and what they find of what was made wrong.

Three public sets, where they lie in a folder: abstracts of papers with one-sentence summaries
(``scitldr``; the source is title and abstract), dialogues with summaries (``dialogsum``), abstracts
with titles (``arxiv_abstracts``; the source is the abstract alone, and titles do say what it does
not). What people wrote is mostly faithful, so that each rejection is a false alarm at first sight.
Then it is spoilt, one fault at a time: a number changed, a name replaced by one of another text, by
another name of the same source, a yes turned to a no, the summary of another source, cut in the
middle, looped. Printed are the share that the default filters find, by the fault and by the filter
that is for it, and the AUROC of the ranker ``faithfulness`` between the whole and the spoilt.

With ``--candidates FILE.jsonl`` (``source`` and ``candidates`` with ``text`` and ``finish_reason``)
it also counts candidates with a number or a capitalised word that does not stand in the source,
letter for letter, among all of them and among those that pass ``unsupported``.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import random
import re
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, TypeAlias

Item: TypeAlias = tuple[str, str]
"""A source, and what a person wrote of it."""

FAULTS = ("number", "name", "name of the source", "negation", "another text", "cut", "loop")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_TURNED = {
    "is": "is not", "are": "are not", "can": "cannot", "has": "does not have", "was": "was not",
    "will": "will not", "do": "do not", "improves": "worsens", "improve": "worsen",
    "better": "worse", "higher": "lower", "more": "less", "faster": "slower", "before": "after",
    "increases": "decreases", "best": "worst", "large": "small", "outperforms": "underperforms",
}  # fmt: skip


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path, help="the folder of the sets")
    parser.add_argument("--most", type=int, default=500, help="items of each set")
    parser.add_argument("--embedder", default="minilm")
    parser.add_argument("--candidates", type=Path, help="candidates of a generator, JSON Lines")
    options = parser.parse_args()
    for name, read in (("scitldr", _scitldr), ("dialogsum", _dialogsum), ("arxiv", _arxiv)):
        items = read(options.data)
        random.Random(7).shuffle(items)
        _report(name, items[: options.most], options.embedder)
    if options.candidates:
        _literal(options.candidates)


def _report(name: str, items: list[Item], embedder: str) -> None:
    from embedkit import registry
    from embedkit.ranking.filters import DEFAULT
    from embedkit.ranking.pool import Pool
    from embedkit.types import Candidate

    model = registry.create("embedder", embedder)
    filters = {spec: registry.create("filter", spec) for spec in DEFAULT}
    ranker = registry.create("ranker", "faithfulness")
    rng = random.Random(11)
    counts: Counter[str] = Counter()
    found: dict[str, Counter[str]] = defaultdict(Counter)
    scores: dict[str, list[float]] = defaultdict(list)
    used = time.process_time()
    for place, (source, text) in enumerate(items):
        others = [items[(place + step) % len(items)] for step in (1, 2, 3)]
        made = {"": text} | {fault: spoil(fault, source, text, others, rng) for fault in FAULTS}
        told = {fault: said for fault, said in made.items() if said is not None and said != text}
        told[""] = text
        pool = Pool(source, tuple(Candidate(said, "stop") for said in told.values()), model)
        rejected = {spec: one.reject(pool) for spec, one in filters.items()}
        for i, (fault, score) in enumerate(zip(told, ranker.score(pool), strict=True)):
            counts[fault] += 1
            scores[fault].append(float(score))
            by = [spec for spec, reasons in rejected.items() if reasons[i] is not None]
            found[fault].update([*by, *(["any"] if by else [])])
    used = time.process_time() - used
    _print(name, counts, found, scores, used)


def _print(
    name: str,
    counts: Counter[str],
    found: dict[str, Counter[str]],
    scores: dict[str, list[float]],
    used: float,
) -> None:
    from sklearn.metrics import roc_auc_score

    print(f"\n{name}: {counts['']} texts by people, {counts.total()} in all, {used:.0f} s of CPU")
    told = ", ".join(
        f"{spec} {count / counts['']:.1%}"
        for spec, count in found[""].most_common()
        if spec != "any"
    )
    print(f"  rejected of what people wrote: {found['']['any'] / counts['']:.1%} ({told})")
    print(f"  {'fault':20}{'texts':>7}{'rejected':>10}{'unsupported':>13}{'AUROC':>8}")
    for fault in FAULTS:
        if not counts[fault]:
            continue
        whole, spoilt = scores[""], scores[fault]
        area = roc_auc_score([1] * len(whole) + [0] * len(spoilt), whole + spoilt)
        print(
            f"  {fault:20}{counts[fault]:>7}{found[fault]['any'] / counts[fault]:>10.1%}"
            f"{found[fault]['unsupported'] / counts[fault]:>13.1%}{area:>8.3f}",
            flush=True,
        )


def spoil(fault: str, source: str, text: str, others: list[Item], rng: random.Random) -> str | None:
    """Return a text with a fault, None where it offers no place for it."""
    words = text.split(" ")
    if fault == "number":
        return _other_number(source, text, rng)
    if fault in ("name", "name of the source"):
        own = _names(text)
        if fault == "name":
            low = source.lower()
            new = [each for _, other in others for each in _names(other) if each.lower() not in low]
        else:
            new = [each for each in _names(source) if each not in text]
        return text.replace(rng.choice(own), rng.choice(new)) if own and new else None
    if fault == "negation":
        places = [i for i, word in enumerate(words) if word in _TURNED]
        if not places:
            return None
        place = rng.choice(places)
        return " ".join([*words[:place], _TURNED[words[place]], *words[place + 1 :]])
    if fault == "another text":
        return others[0][1]
    if fault == "cut":
        return " ".join(words[: rng.randrange(len(words) // 2, len(words))]) if words[5:] else None
    start = rng.randrange(max(1, len(words) - 4))
    return " ".join([*words, *(words[start : start + 4] * 5)])


def _other_number(source: str, text: str, rng: random.Random) -> str | None:
    places = list(NUMBER.finditer(text))
    if not places:
        return None
    place = rng.choice(places)
    held = set(NUMBER.findall(source))
    digits = [i for i, c in enumerate(place[0]) if c.isdigit()]
    for _ in range(50):
        changed = list(place[0])
        changed[rng.choice(digits)] = rng.choice("123456789")
        new = "".join(changed)
        if new not in held:
            return text[: place.start()] + new + text[place.end() :]
    return None


def _names(text: str) -> list[str]:
    """Return capitalised words of two letters and more that do not begin a sentence."""
    found = []
    for sentence in re.split(r"(?<=[.!?])\s+", text):
        for word in sentence.split()[1:]:
            plain = re.sub(r"['’]s$", "", word.strip(".,;:!?()[]{}\"'“”‘’*"))
            if len(plain) > 1 and plain[0].isupper() and plain.isalnum():
                found.append(plain)
    return list(dict.fromkeys(found))


def _literal(path: Path) -> None:
    """Count candidates with numbers and names that do not stand in the source as they are."""
    from embedkit.ranking.claims import unsupported_in

    total = literal = passed = still = 0
    for line in path.read_text(encoding="utf-8").splitlines():
        row: dict[str, Any] = json.loads(line)
        source, low = row["source"], row["source"].lower()
        for candidate in row["candidates"]:
            text = candidate["text"].strip()
            wrong = any(each not in source for each in NUMBER.findall(text)) or any(
                name.lower() not in low for name in _names(text)
            )
            total += 1
            literal += wrong
            if not unsupported_in(text, source):
                passed += 1
                still += wrong
    print(
        f"\n{path.name}: {total} candidates, {literal / total:.1%} with a number or name that the"
        f" source does not hold letter for letter; of the {passed} that pass, {still / passed:.1%}"
    )


def _scitldr(folder: Path) -> list[Item]:
    rows = _lines(folder / "scitldr_train_dev.jsonl.gz")
    return [
        (f"{row['title']}. {' '.join(row['sentences'])}", row["summaries"][0])
        for row in rows
        if row["sentences"]
    ]


def _dialogsum(folder: Path) -> list[Item]:
    rows = _lines(folder / "dialogsum_dev.jsonl.gz")
    return [(row["text"], row["summaries"][0]) for row in rows]


def _arxiv(folder: Path) -> list[Item]:
    with gzip.open(folder / "arxiv_abstracts.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return [(row["abstract"], row["title"]) for row in csv.DictReader(file)]


def _lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


if __name__ == "__main__":
    main()
