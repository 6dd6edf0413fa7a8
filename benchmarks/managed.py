"""What the client of a managed service costs, against a server on loopback.

    python benchmarks/managed.py                 # CPU of the client for each text
    python benchmarks/managed.py --pace          # throughput at a rate limit, some minutes
    python benchmarks/managed.py --rows 200000   # a whole index run: memory, CPU, wall time

The server speaks Cohere's protocol in a process of its own and answers at once; what it computes is
not counted. CPU time is user and system time of the client with all its threads.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.servers.process import ServerProcess

TEXTS = 96 * 50
UNLIMITED = 10**9


def questions(n: int, start: int = 0) -> Iterator[str]:
    """Yield texts of about ten words, all different."""
    for i in range(start, start + n):
        yield f"how far is it from town {i} to town {i * 31 % 9973} by the old road"


def overhead(rounds: int) -> None:
    import embedkit

    print(f"client, {TEXTS:,} texts, {rounds} rounds, median       ms CPU a text   texts/s wall")
    texts = list(questions(TEXTS))
    for options in ("", "&dimension=512", "&dimension=256", "&precision=int8", "&precision=binary"):
        spec = f"cohere:embed-v4.0?inputs_per_minute={UNLIMITED}{options}"
        embedder = embedkit.embedder(spec)
        embedder.embed(texts)  # the server has made its vectors, the client its connections
        cpu, wall = [], []
        for _ in range(rounds):
            began, used = time.perf_counter(), time.process_time()
            embedder.embed(texts)
            cpu.append((time.process_time() - used) / TEXTS * 1e3)
            wall.append(TEXTS / (time.perf_counter() - began))
        name = options.strip("&") or "dimension=1536"
        print(f"  {name:48}{statistics.median(cpu):12.3f}{statistics.median(wall):15,.0f}")


def pace(per_minute: int, minutes: float) -> None:
    import embedkit

    n = int(per_minute * minutes)
    embedder = embedkit.embedder(f"cohere:embed-v4.0?dimension=256&inputs_per_minute={per_minute}")
    began = time.perf_counter()
    embedder.embed(list(questions(n)))
    took = time.perf_counter() - began
    print(f"{n:,} texts at {per_minute:,} a minute: {took:.1f} s, {n / took * 60:,.0f} a minute")


def index(rows: int) -> None:
    import embedkit

    with tempfile.TemporaryDirectory() as home:
        spec = f"cohere:embed-v4.0?dimension=256&inputs_per_minute={UNLIMITED}"
        began, used = time.perf_counter(), time.process_time()
        report = embedkit.open("big", home=home, embedder=spec).index(questions(rows))
        cpu, wall = time.process_time() - used, time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(
        f"{report.embedded:,} texts indexed: {wall:.1f} s, {cpu:.1f} s CPU "
        f"({cpu / rows * 1e3:.3f} ms a text), largest {peak:,.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pace", action="store_true")
    parser.add_argument("--per-minute", type=int, default=6000)
    parser.add_argument("--minutes", type=float, default=2.2)
    parser.add_argument("--rows", type=int)
    arguments = parser.parse_args()
    with ServerProcess("cohere", keep_texts=False) as server:
        os.environ |= {"CO_API_KEY": "good-key", "CO_API_URL": server.url}
        if arguments.rows:
            index(arguments.rows)
        elif arguments.pace:
            server.set_limits(inputs=arguments.per_minute)
            pace(arguments.per_minute, arguments.minutes)
            print(f"over the limit: {server.stats()['violations'] or 'never'}")
        else:
            overhead(arguments.rounds)


if __name__ == "__main__":
    main()
