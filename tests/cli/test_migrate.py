from __future__ import annotations

import json
import os
import pty
import signal
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NEW = "hashing?dim=128"


def test_migrate_says_what_it_did(run: Any, data: Any, questions: Path) -> None:
    result = run("migrate", "questions", "--to", NEW, "--format", "table")
    first, second, third = result.stdout.splitlines()
    assert first == f"questions: hashing -> {NEW}, switched"
    assert second.strip() == "503 texts: 503 embedded, 0 there already, 0 failed, 0 missing"
    assert third.startswith("  of the ten nearest, both models share 0.")
    assert third.endswith("n = 200), by records")
    assert "go back with: embedkit migrate questions --back" in result.stderr
    assert data("collections", "show")["dim"] == 128
    assert len(data("search", "how do I get my money back?", "-k", "3")) == 3
    runs = data("runs")
    assert runs[0]["source"] == f"migrate to {NEW}"
    assert runs[0]["counts"]["embedded"] == 503


def test_kept_vectors_are_shown_checked_gone_back_to_and_dropped(
    run: Any, data: Any, questions: Path
) -> None:
    run("migrate", "--to", NEW)
    (kept,) = data("collections", "show", "questions")["kept"]
    assert (kept["embedder"], kept["vectors"], kept["dim"]) == ("hashing", 503, 384)
    shown = run("collections", "show", "questions", "--format", "table").stdout
    assert "also kept  503 vectors of hashing, 789 kB, in use until 20" in " ".join(
        shown.replace("\n", " ").split("  ")
    ).replace("also kept ", "also kept  ")
    vectors = questions / ".embedkit" / "questions" / "vectors.f32"
    sound = vectors.read_bytes()
    vectors.write_bytes(sound[:-4])
    findings = data("doctor", "questions", code=1)
    assert [one["part"] for one in findings if not one["ok"]] == ["kept vectors"]
    assert run("search", "refund").stdout
    vectors.write_bytes(sound)
    assert data("doctor", "questions")
    back = data("migrate", "--back")
    assert (back["new"], back["embedded"], back["switched"]) == ("hashing", 0, True)
    (dropped,) = data("migrate", "--drop-old")
    assert dropped == {"embedder": NEW, "vectors": 503, "bytes": 503 * (128 * 4 + 32)}
    assert "keeps no vectors but those in use" in run("migrate", "--drop-old").stderr
    result = run("migrate", "--back", code=2)
    assert "no vectors of an earlier model to go back to; name a model" in result.stderr


def test_dry_run_limit_and_comparing_only(run: Any, data: Any, questions: Path) -> None:
    planned = data("migrate", "--to", NEW, "--dry-run")
    assert (planned["status"], planned["embedded"], planned["run"]) == ("planned", 503, None)
    shown = run("migrate", "--to", NEW, "--dry-run", "--format", "table").stdout
    assert "a dry run, nothing was written" in shown
    assert "503 texts: 503 to embed, 0 there already" in shown
    some = run("migrate", "--to", NEW, "--max-texts", "100", "--format", "table").stdout
    assert "not switched, stopped" in some
    assert "run the same command again to go on" in some
    compared = data("migrate", "--to", NEW, "--compare-only")
    assert (compared["reused"], compared["embedded"]) == (100, 403)
    assert not compared["switched"]
    assert compared["overlap_at_10"]["n"] == 200
    assert data("collections", "show")["dim"] == 384
    assert data("migrate", "--to", "hashing")["notes"][0].startswith("there is nothing to do")
    assert "nothing to do" in run("migrate", "--to", "hashing", "--format", "table").stdout


@pytest.mark.parametrize("form", ["trec", "csv"])
def test_queries_and_judgements(run: Any, data: Any, questions: Path, form: str) -> None:
    Path("queries.csv").write_text(
        "id,text\na,how do I get my money back?\nb,where is my parcel?\n", encoding="utf-8"
    )
    rows = [("a", "q080", 2), ("a", "q234", 1), ("b", "q001", 0)]
    if form == "trec":
        text = "".join(f"{query} 0 {doc} {gain}\n" for query, doc, gain in rows)
    else:
        lines = [f"{query},{doc},{gain}\n" for query, doc, gain in rows]
        text = "".join(["query_id,doc_id,relevance\n", *lines])
    Path("qrels").write_text(text, encoding="utf-8")
    asked = ["migrate", "--to", NEW, "--compare-only", "--queries", "queries.csv"]
    report = data(*asked, "--qrels", "qrels")
    assert (report["compared"], report["overlap_at_10"]["n"]) == ("queries", 2)
    assert report["ndcg_at_10_old"]["n"] == report["ndcg_at_10_new"]["n"] == 1
    assert "nDCG@10 was 0." in run(*asked, "--qrels", "qrels", "--format", "table").stdout
    assert data(*asked)["ndcg_at_10_old"] is None
    assert "qrels needs the queries" in run("migrate", "--to", NEW, "--qrels", "x", code=2).stderr
    assert "there is no file none" in run(*asked, "--qrels", "none", code=1).stderr


def test_texts_that_fail(run: Any, data: Any, work: Path, monkeypatch: Any) -> None:
    from embedkit.embedders.hashing import HashingEmbedder
    from embedkit.errors import InvalidInputError

    Path("a.csv").write_text("id,text\n1,good\n2,bad\n3,better\n", encoding="utf-8")
    run("index", "a.csv")
    whole = HashingEmbedder._embed

    def picky(self: Any, texts: list[str], input_type: Any) -> Any:
        if "bad" in texts and self.dim == 128:
            raise InvalidInputError("not this one")
        return whole(self, texts, input_type)

    monkeypatch.setattr(HashingEmbedder, "_embed", picky)
    result = run("migrate", "--to", NEW, "--json", code=1)
    report = json.loads(result.stdout)
    assert (report["failed"], report["switched"], report["status"]) == (1, False, "failed")
    assert report["failures"][0]["id"] == "2"
    assert "a: 1 text failed; list them with: embedkit runs show 2 -c a" in result.stderr
    assert "not this one" in run("runs", "show", "2", "-c", "a", "--format", "table").stdout
    assert data("collections", "show")["dim"] == 384


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--to", NEW, "--back"],
        ["--back", "--drop-old"],
        ["--drop-old", "--dry-run"],
        ["--to", NEW, "--max-texts", "-1"],
    ],
)
def test_misuse(run: Any, questions: Path, words: list[str]) -> None:
    result = run("migrate", "questions", *words, code=2)
    assert "embedkit migrate --help" in result.stderr


def test_errors_are_one_line(run: Any, questions: Path) -> None:
    assert "did you mean 'questions'" in run("migrate", "question", "--back", code=1).stderr
    assert "did you mean 'hashing'" in run("migrate", "--to", "hashin", code=2).stderr


def test_a_person_sees_how_far_it_is_and_can_stop_it(
    start: Callable[..., Any], data: Any, questions: Path
) -> None:
    rows = "".join(f"r{i},text number {i} of a great many\n" for i in range(60_000))
    Path("many.csv").write_text(f"id,text\n{rows}", encoding="utf-8")
    data("index", "many.csv", "-c", "many")
    parent, child = pty.openpty()
    termios.tcsetwinsize(child, (24, 80))
    process = start(["migrate", "many", "--to", "hashing?dim=2048"], stderr=child)
    os.close(child)
    seen = b""
    while b"embedding:" not in seen:
        seen += os.read(parent, 1024)
    process.send_signal(signal.SIGINT)
    while True:
        try:
            seen += os.read(parent, 1024)
        except OSError:
            break
    assert process.wait(60) == 130, seen
    assert b"run the same command again to go on" in seen
    os.close(parent)
    info = data("collections", "show", "many")
    assert info["dim"] == 384
    assert 0 < info["kept"][0]["vectors"] < 60_000
    assert data("runs", "-c", "many")[0]["status"] == "interrupted"
