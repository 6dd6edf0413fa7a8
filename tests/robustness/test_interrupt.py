"""Ctrl-C at the command line: one line, exit code 130, nothing lost."""

from __future__ import annotations

import json
import signal
import sys

import pytest

import embedkit

pytestmark = pytest.mark.slow


def test_an_interrupted_index_run_keeps_its_work_and_goes_on(start, home, tmp_path):
    rows = 9_000
    source = tmp_path / "rows.csv"
    words = "some words of a text that takes a while to be hashed because it is long " * 12
    with source.open("w", encoding="utf-8") as file:
        file.write("id,text\n")
        file.writelines(f"r{i},{i} {words}\n" for i in range(rows))
    command = [
        sys.executable, "-m", "embedkit_cli", "--home", str(home), "index", str(source),
        "-c", "q", "--embedder", "hashing", "--json",
    ]  # fmt: skip
    process = start(command)
    manifest = home / "q" / "work.commits"
    while process.popen.poll() is None:
        # The first batch of texts is the fourth commit or so: the run is then under way.
        if manifest.exists() and int(manifest.read_bytes().split()[0] or 0) >= 3:
            break
    process.popen.send_signal(signal.SIGINT)
    assert process.end() == 130, (process.lines, process.errors)
    assert len(process.errors) == 1, process.errors
    assert process.errors[0].startswith("embedkit: interrupted")
    with embedkit.open("q", home=home) as collection:
        kept = len(collection)
        assert 0 < kept < rows
        assert collection.runs()[0].status == "interrupted"
        process = start(command)
        assert process.end() == 0, process.errors
        report = json.loads("\n".join(process.lines))
        assert (report["new"], report["unchanged"]) == (rows - kept, kept)
        assert report["embedded"] == rows - kept
        assert len(collection) == rows
