"""kill -9 in the middle of a run over prompts: what was answered is never asked again."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from embedkit import generator
from embedkit.prompts.ledger import AnswerLedger

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
AT_ONCE = 4


def test_killed_and_run_again(
    serve: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "good-key")
    server = serve("openai", latency=0.05)
    server.answer_with = lambda messages, seed: messages[-1]
    spec = f"openai:local-chat?base_url={server.url}&concurrency={AT_ONCE}"
    rows = [f"row {i}" for i in range(80)]
    (tmp_path / "rows.csv").write_text("\n".join(["text", *rows]) + "\n")
    (tmp_path / "say.toml").write_text('prompt = "{{ text }}"\n[inputs.text]\n')
    home = tmp_path / "home"

    def start() -> subprocess.Popen[bytes]:
        paths = os.pathsep.join(map(str, (ROOT, ROOT / "cli", ROOT / "connectors")))
        words = ["prompt", "run", "say.toml", "rows.csv", "-o", "out.csv", "--generator", spec]
        return subprocess.Popen(
            [sys.executable, "-m", "embedkit_cli", *words, "--home", str(home)],
            env={**os.environ, "PYTHONPATH": paths},
            cwd=tmp_path,
            stderr=subprocess.PIPE,
        )

    model_id = generator(spec).model_id
    for least in (10, 40):
        process = start()
        deadline = time.monotonic() + PATIENCE
        while len(AnswerLedger(home, model_id)) < least and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
        process.communicate()
        assert not (tmp_path / "out.csv").exists(), "it appears when all is done"
    kept = len(AnswerLedger(home, model_id))
    assert 40 <= kept < 80
    before = len(server.entries("chat"))
    process = start()
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors.decode()
    sent = Counter(entry.texts[-1] for entry in server.entries("chat"))
    assert len(server.entries("chat")) - before == 80 - kept, "what was kept was not sent"
    assert set(sent) == set(rows)
    assert sum(sent.values()) <= 80 + 2 * AT_ONCE, "only what was under way when it was killed"
    with (tmp_path / "out.csv").open() as file:
        assert [row["answer"] for row in csv.DictReader(file)] == rows
