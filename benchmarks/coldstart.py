"""How long a person waits for an answer of a fresh process.

    python benchmarks/coldstart.py --rounds 9

Each command runs in a new interpreter, once a round, the commands taking turns so that they share
the machine's moods. CPU time is user and system time of the process and of all its threads. The
collection holds 5,000 records of the example questions, embedded by ``minilm``; the model is loaded
anew by every search. The interpreter alone, and what peers import before they answer, stand beside.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
QUESTIONS = ROOT / "examples" / "questions.csv"
PYTHON = sys.executable
EMBEDKIT = [PYTHON, "-m", "embedkit_cli"]


@dataclass
class Case:
    """A command, what it must stay under, and what it took."""

    name: str
    command: list[str]
    bar: float | None = None
    """Seconds of CPU."""
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def run(self, folder: Path) -> None:
        """Run once and note the times."""
        start = time.perf_counter()
        with subprocess.Popen(
            self.command, cwd=folder, env=environment(),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            errors = process.stderr.read() if process.stderr else b""
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        self.wall.append(time.perf_counter() - start)
        if process.returncode:
            raise SystemExit(f"{' '.join(self.command)} failed:\n{errors.decode()}")
        self.cpu.append(usage.ru_utime + usage.ru_stime)


def environment() -> dict[str, str]:
    """The checkout on the path, and no settings of the person who measures.

    An installed package has its bytecode; so the checkout may keep its own.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("EMBEDKIT_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    paths = [str(ROOT), str(ROOT / "cli"), str(ROOT / "connectors")]
    return kept | {"PYTHONPATH": os.pathsep.join(paths)}


def write_source(path: Path, records: int) -> None:
    """Write the example questions as often as it takes, no two alike."""
    with QUESTIONS.open(newline="", encoding="utf-8") as file:
        questions = [row["question"] for row in csv.DictReader(file)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text"])
        for i in range(records):
            again = i // len(questions)
            writer.writerow([i, questions[i % len(questions)] + (f" ({again})" if again else "")])


def cases(home: Path) -> list[Case]:
    """Return what is compared."""
    at_home = ["--home", str(home)]
    search = [*EMBEDKIT, "search", "how do I get my money back?", *at_home]
    return [
        Case("python -c pass", [PYTHON, "-c", "pass"]),
        Case("embedkit --help", [*EMBEDKIT, "--help"], 0.1),
        Case("import embedkit", [PYTHON, "-c", "import embedkit"]),
        Case("embedkit search --help", [*EMBEDKIT, "search", "--help"]),
        Case("embedkit search, 5,000 records", search, 1.0),
        Case("embedkit similar, 5,000 records", [*EMBEDKIT, "similar", "7", *at_home]),
        Case("peers: import torch", [PYTHON, "-c", "import torch"]),
        Case("peers: import sentence_transformers", [PYTHON, "-c", "import sentence_transformers"]),
    ]


def table(measured: Sequence[Case]) -> str:
    """Return the medians, and the least CPU, which a busy machine disturbs least."""
    lines = [
        "| fresh process | CPU s (median) | CPU s (least) | wall s (median) | bar, CPU s |",
        "|---|---|---|---|---|",
    ]
    for case in measured:
        bar = f"< {case.bar:g}" if case.bar else ""
        lines.append(
            f"| {case.name} | {statistics.median(case.cpu):.3f} | {min(case.cpu):.3f}"
            f" | {statistics.median(case.wall):.3f} | {bar} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--records", type=int, default=5000)
    parser.add_argument("--without-peers", action="store_true", help="leave out torch")
    parser.add_argument("--json", action="store_true", help="print the times of every round")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_source(folder / "questions.csv", options.records)
        subprocess.run(
            [*EMBEDKIT, "index", "questions.csv", "--embedder", "minilm", "--home", "home"],
            cwd=folder, env=environment(), check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        measured = cases(folder / "home")
        if options.without_peers:
            measured = [case for case in measured if not case.name.startswith("peers")]
        for case in measured:
            case.run(folder)
            case.cpu.clear()
            case.wall.clear()
        for _ in range(options.rounds):
            for case in measured:
                case.run(folder)
    if options.json:
        print(json.dumps({case.name: {"cpu": case.cpu, "wall": case.wall} for case in measured}))
    else:
        print(table(measured))


if __name__ == "__main__":
    main()
