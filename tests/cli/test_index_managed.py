"""``embedkit index`` with a model that costs money."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.servers.cohere import CohereServer


@pytest.fixture(autouse=True)
def service(
    cohere_server: CohereServer, work: Path, monkeypatch: pytest.MonkeyPatch
) -> CohereServer:
    """Cohere on loopback is what fills new collections."""
    monkeypatch.setattr("embedkit.managed.service._FIRST_WAIT", 0.001)
    monkeypatch.setattr("embedkit.managed.service._LONGEST_WAIT", 0.004)
    monkeypatch.setenv("CO_API_KEY", "good-key")
    monkeypatch.setenv("CO_API_URL", cohere_server.url)
    monkeypatch.setenv("EMBEDKIT_EMBEDDER", "cohere:embed-v4.0?dimension=256")
    return cohere_server


@pytest.fixture
def source(work: Path) -> Path:
    path = work / "notes.csv"
    lines = [f"{i},text {i} {'REJECT-ME' if i in (3, 7) else 'is good'}" for i in range(1, 121)]
    path.write_text("\n".join(["id,text", *lines, "121,text 1 is good"]) + "\n", encoding="utf-8")
    return path


def test_a_run_is_reported_with_bill_estimate_and_cost(
    run: Any, source: Path, service: CohereServer
) -> None:
    result = run("index", "notes.csv", "--format", "table", code=1)
    billed = service.stats()["delivered_tokens"]
    lines = result.stdout.splitlines()
    assert "119 new, 0 unchanged, 2 failed" in lines[1]
    assert "118 texts embedded, 1 reused" in lines[2]
    assert lines[3].startswith(f"  {billed} tokens billed (")
    assert lines[3].endswith("estimated), $0.000057")
    assert "2 rows failed; list them with: embedkit runs show 1 -c notes" in result.stderr


def test_runs_show_lists_what_was_refused(run: Any, data: Any, source: Path) -> None:
    run("index", "notes.csv", "--json", code=1)
    told = data("runs", "show", "1", "-c", "notes")
    assert [failure["id"] for failure in told["failures"]] == ["3", "7"]
    assert [failure["line"] for failure in told["failures"]] == [4, 8]
    assert all("an input cannot be processed" in f["reason"] for f in told["failures"])
    assert told["counts"]["billed_tokens"] > 0
    shown = run("runs", "show", "1", "-c", "notes", "--format", "table").stdout
    assert "it could not be embedded" in shown
    assert "billed tokens" in shown


def test_refused_texts_wait_for_retry_failed(
    run: Any, data: Any, source: Path, service: CohereServer
) -> None:
    run("index", "notes.csv", "--json", code=1)
    sent = service.stats()["texts_sent"]
    again = json.loads(run("index", "notes.csv", "--json", code=1).stdout)
    assert (again["failed"], again["embedded"]) == (2, 0)
    assert service.stats()["texts_sent"] == sent
    shown = data("runs", "show", "2", "-c", "notes")
    assert all("--retry-failed" in failure["reason"] for failure in shown["failures"])
    service._reject = None
    report = data("index", "notes.csv", "--retry-failed")
    assert (report["failed"], report["new"]) == (0, 2)


def test_a_dry_run_tells_texts_tokens_cost_and_time(
    run: Any, data: Any, source: Path, service: CohereServer, work: Path
) -> None:
    report = data("index", "notes.csv", "--dry-run")
    assert (report["embedded"], report["reused"], report["status"]) == (120, 1, "planned")
    assert report["cost"] == pytest.approx(report["estimated_tokens"] * 0.12 / 1e6, abs=1e-6)
    assert report["rate_limit_seconds"] == 3.6
    assert report["billed_tokens"] is None
    shown = run("index", "notes.csv", "--dry-run", "--format", "table").stdout
    assert "120 texts to embed, 1 to reuse" in shown
    assert f"{report['estimated_tokens']} tokens by estimate, about $0.000058" in shown
    assert "3.6 s at the service's rate limits" in shown
    assert service.entries() == []
    assert not (work / ".embedkit").exists()


def test_prices_and_plans_of_a_settings_file(data: Any, source: Path, work: Path) -> None:
    (work / "embedkit.toml").write_text(
        '[prices]\n"cohere:embed-v4.0" = 1000\n[limits.cohere.embed]\ninputs_per_minute = 60\n'
    )
    report = data("index", "notes.csv", "--dry-run")
    assert report["cost"] == pytest.approx(report["estimated_tokens"] / 1000)
    assert report["rate_limit_seconds"] == 120


def test_limits_of_a_run(run: Any, data: Any, source: Path, service: CohereServer) -> None:
    result = run("index", "notes.csv", "--max-texts", "50", "--format", "table", code=1)
    assert "stopped at --max-texts 50, 70 texts are left" in result.stdout
    assert service.stats()["delivered"].keys() <= service.stats()["sent"].keys()
    result = run("index", "notes.csv", "--max-cost", "0.00001", "--json", code=1)
    report = json.loads(result.stdout)
    assert (report["status"], report["cost"] <= 0.00001) == ("stopped", True)
    assert any("--max-cost" in note for note in report["notes"])
    run("index", "notes.csv", "--max-cost", "-1", code=2)
    run("index", "notes.csv", "--max-texts", "many", code=2)
    assert service.stats()["resent"] == {}


NOTHING_TO_READ = [["nowhere.csv"], ["notes.csv"], ["notes.csv", "--dry-run"], ["-"]]


@pytest.mark.parametrize("words", NOTHING_TO_READ)
@pytest.mark.parametrize("key", [None, "bad-key-123"])
def test_a_missing_or_refused_key_exits_4_before_anything_is_read(
    run: Any,
    source: Path,
    work: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    key: str | None,
) -> None:
    monkeypatch.delenv("CO_API_KEY")
    if key is not None:
        monkeypatch.setenv("CO_API_KEY", key)
    result = run("index", *words, code=4)
    assert len(result.stderr.splitlines()) == 1
    assert "CO_API_KEY" in result.stderr
    assert "bad-key-123" not in result.stderr + result.stdout
    assert result.stdout == ""
    assert not (work / ".embedkit").exists()


def test_a_missing_file_is_told_where_the_key_is_good(run: Any) -> None:
    assert "nowhere.csv" in run("index", "nowhere.csv", code=1).stderr


def test_a_collection_of_another_model_needs_no_key(
    run: Any, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("index", "notes.csv", "--embedder", "hashing")
    monkeypatch.delenv("CO_API_KEY")
    assert "0 new, 121 unchanged" in run("index", "notes.csv", "--format", "table").stdout
    source.unlink()
    assert "notes.csv" in run("index", "notes.csv", code=1).stderr, "the file, not the key"


def test_an_unknown_model_is_told_before_anything_is_planned(run: Any) -> None:
    result = run("index", "notes.csv", "--embedder", "cohere:embed-v9", "--dry-run", code=1)
    assert "embed-v9" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (lambda server: setattr(server, "quota", 1), "allowance of this key is used up"),
        (lambda server: server.fail("status:402"), "used up"),
        (lambda server: server.fail("429:9999"), "asks to wait 9,999 seconds"),
    ],
)
def test_what_ends_a_run_is_one_line_and_the_work_is_kept(
    run: Any,
    data: Any,
    work: Path,
    service: CohereServer,
    spoil: Callable[[CohereServer], None],
    part: str,
) -> None:
    lines = [f"{i},text {i}" for i in range(800)]
    (work / "many.csv").write_text("\n".join(["id,text", *lines]), encoding="utf-8")
    spoil(service)
    result = run("index", "many.csv", code=1)
    assert len(result.stderr.splitlines()) == 1
    assert part in result.stderr
    assert "run the same command again" in result.stderr
    service.quota = None
    service.faults = type(service.faults)()
    report = data("index", "many.csv")
    assert report["new"] + report["unchanged"] == 800
    assert service.stats()["resent"] == {}


@pytest.mark.parametrize(
    "text", ['[limits.cohere]\nplan = ["trial"]', "[limits.cohere]\nspeed = 1", '[prices]\nx = "1"']
)
def test_settings_that_cannot_be_meant_exit_2(
    run: Any, source: Path, work: Path, text: str
) -> None:
    (work / "embedkit.toml").write_text(text)
    result = run("index", "notes.csv", code=2)
    assert "embedkit.toml" in result.stderr
