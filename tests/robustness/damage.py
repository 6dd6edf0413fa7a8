"""Damage one file of a collection in every way, and tell what became of it, a JSON line each.

``python damage.py GOOD BAD FILE…``: GOOD is the home of a sound collection ``q``, BAD a place for
copies. A process of its own, because a native loader that is fed a broken file may end it.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
from pathlib import Path

import numpy as np

import embedkit
from embedkit.errors import DamagedError, StorageError

KINDS = ("first byte", "some byte", "cut", "empty", "garbage", "missing")

MENDED = ("some byte", "cut", "missing")
"""Those that are mended too; all of them would take long."""


def spoil(path: Path, kind: str) -> None:
    """Damage a file."""
    data, chance = bytearray(path.read_bytes()), random.Random(f"{path.name} {kind}")
    if kind == "missing":
        path.unlink()
        return
    if kind.endswith("byte") and data:
        place = 0 if kind == "first byte" else chance.randrange(len(data))
        data[place] ^= 1 << chance.randrange(8)
    elif kind == "cut":
        del data[len(data) * 2 // 3 :]
    elif kind == "empty":
        data.clear()
    elif kind == "garbage":
        data[:] = chance.randbytes(max(len(data), 5000))
    path.write_bytes(data)


def answers(home: Path, queries: np.ndarray) -> list[list[tuple[str, float]]]:
    """Return what a search finds."""
    with embedkit.open("q", home=home) as opened:
        found = opened.search_vectors(queries, k=5) + opened.search_vectors(
            queries, k=5, where="n < 40"
        )
        return [[(hit.id, round(hit.score, 5)) for hit in hits] for hits in found]


def attempt(work, *arguments) -> object:
    """Return what came of it: a value, or the error's name and words."""
    try:
        return work(*arguments)
    except StorageError as error:
        return {"error": type(error).__name__, "said": str(error)}
    except DamagedError as error:
        return {"error": type(error).__name__, "said": str(error)}
    except BaseException as error:
        return {"error": type(error).__name__, "said": str(error), "foreign": True}


def check(home: Path) -> list[str]:
    """Return the parts that are not sound."""
    with embedkit.open("q", home=home) as opened:
        return [finding.part for finding in opened.check() if not finding.ok]


def repair(home: Path) -> list[str]:
    """Return what repairing did."""
    with embedkit.open("q", home=home) as opened:
        return [finding.detail for finding in opened.repair()]


def write(home: Path) -> int:
    """Insert a record that is there already, as it is."""
    vector = np.load(home / "first.npy")
    with embedkit.open("q", home=home) as opened:
        return opened.upsert([{"id": "0", "text": "t0", "n": 0}], vectors=vector).unchanged


def main() -> None:
    """Try every kind on every file named."""
    good, bad = Path(sys.argv[1]), Path(sys.argv[2])
    queries = np.load(good / "queries.npy")
    for name in sys.argv[3:]:
        for kind in KINDS:
            print(json.dumps({"file": name, "kind": kind}), flush=True)
            shutil.rmtree(bad, ignore_errors=True)
            shutil.copytree(good, bad)
            spoil(bad / "q" / name, kind)
            told = {"read": attempt(answers, bad, queries), "check": attempt(check, bad)}
            told["write"] = attempt(write, bad)
            if told["check"] and kind in MENDED:
                told["repair"] = attempt(repair, bad)
                told["checked"] = attempt(check, bad)
                told["again"] = attempt(answers, bad, queries)
                told["written"] = attempt(write, bad)
            print(json.dumps({"file": name, "kind": kind, **told}), flush=True)


if __name__ == "__main__":
    main()
