"""What several candidates of a local model cost, for prompts of several lengths.

    python benchmarks/generating.py
    python benchmarks/generating.py --generators smollm "smollm?threads=2" --tokens 500 2000

Each case runs in a fresh process and alone, the cases taking turns. The prompt is text of the
example articles, cut to so many tokens of the model, and the question for a summary. CPU time is
that of all threads, from the call to its end; the model is loaded before. Beside them the first
candidate is drawn alone, which shows what candidates share.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ARTICLES = ROOT / "examples" / "articles.csv"
ASKED = "\n\nIn short, the article says that"
BARS = {(500, 5): (60.0, 1000.0)}
"""Seconds and MB, by tokens of the prompt and candidates."""


def prompt_of(generator: Any, tokens: int) -> str:
    """Return a prompt of about so many tokens."""
    with ARTICLES.open(encoding="utf-8", newline="") as file:
        words = " ".join(row["text"] for row in csv.DictReader(file)).split()
    words *= 1 + tokens // len(words)
    count = tokens
    while generator.count_tokens(" ".join(words[:count]) + ASKED) > tokens:
        count -= 5
    return " ".join(words[:count]) + ASKED


def measure(spec: str, tokens: int, n: int, written: int) -> dict[str, Any]:
    """Draw once, in this process."""
    import embedkit

    start, cpu = time.perf_counter(), time.process_time()
    generator: Any = embedkit.generator(spec)
    prompt = prompt_of(generator, tokens)
    loaded, loaded_cpu = time.perf_counter(), time.process_time()
    found = generator.generate(prompt, n=n, max_tokens=written, seed=1, logprobs=True)
    return {
        "load": loaded_cpu - cpu,
        "wall": time.perf_counter() - loaded,
        "cpu": time.process_time() - loaded_cpu,
        "read": found[0].prompt_tokens,
        "written": sum(candidate.completion_tokens or 0 for candidate in found),
        "whole": time.perf_counter() - start,
        "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        / (1e6 if sys.platform == "darwin" else 1e6 / 1024),
    }


def alone(spec: str, tokens: int, n: int, written: int) -> dict[str, Any]:
    """Measure in a fresh process, without the settings of the person who measures."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("EMBEDKIT_")}
    case = json.dumps([spec, tokens, n, written])
    done = subprocess.run(
        [sys.executable, __file__, "--case", case],
        env={**kept, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{spec} failed:\n{done.stderr}")
    return dict(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--generators", nargs="+", default=["smollm"], metavar="SPEC")
    parser.add_argument("--tokens", nargs="+", type=int, default=[500], help="of the prompt")
    parser.add_argument("-n", nargs="+", type=int, default=[1, 5], help="candidates")
    parser.add_argument("--written", type=int, default=64, help="tokens of a candidate, at most")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measure(*json.loads(options.case))))
        return
    cases = [
        (spec, tokens, n) for spec in options.generators for tokens in options.tokens
        for n in options.n
    ]  # fmt: skip
    runs: dict[tuple[str, int, int], list[dict[str, Any]]] = {case: [] for case in cases}
    for _ in range(options.rounds):
        for case in cases:
            runs[case].append(alone(*case, options.written))
    print(f"medians of {options.rounds}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{'generator':24} {'prompt':>6} {'n':>2} {'written':>7} {'s':>6} {'CPU s':>6} "
          f"{'tokens/CPU s':>12} {'load CPU s':>10} {'MB':>5}")  # fmt: skip
    missed = []
    for (spec, tokens, n), some in runs.items():
        middle = {key: statistics.median(run[key] for run in some) for key in some[0]}
        speed = middle["written"] / middle["cpu"]
        print(f"{spec:24} {middle['read']:6.0f} {n:2} {middle['written']:7.0f} "
              f"{middle['wall']:6.1f} {middle['cpu']:6.1f} {speed:12.1f} "
              f"{middle['load']:10.1f} {middle['mb']:5.0f}")  # fmt: skip
        seconds, mb = BARS.get((tokens, n), (float("inf"), float("inf")))
        if middle["whole"] > seconds or middle["mb"] > mb:
            missed.append(f"{spec}: expected {seconds:g} s and {mb:g} MB at most")
    if missed:
        raise SystemExit("\n".join(missed))


if __name__ == "__main__":
    main()
