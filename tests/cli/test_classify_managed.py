"""``embedkit classify`` with a model that costs money."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from tests.servers.cohere import CohereServer


@pytest.fixture(autouse=True)
def service(
    cohere_server: CohereServer, work: Path, monkeypatch: pytest.MonkeyPatch
) -> CohereServer:
    """Cohere on loopback is what embeds."""
    monkeypatch.setattr("embedkit.managed.service._FIRST_WAIT", 0.001)
    monkeypatch.setattr("embedkit.managed.service._LONGEST_WAIT", 0.004)
    monkeypatch.setenv("CO_API_KEY", "good-key")
    monkeypatch.setenv("CO_API_URL", cohere_server.url)
    monkeypatch.setenv("EMBEDKIT_EMBEDDER", "cohere:embed-v4.0?dimension=256")
    lines = [f"{label} text {i},{label}" for i in range(10) for label in ("money", "post")]
    (work / "train.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    return cohere_server


LEARN = ("classify", "train", "train.csv", "--head", "logreg")


def test_no_text_is_paid_twice(run: Any, work: Path, service: CohereServer) -> None:
    run(*LEARN)
    sent = service.stats()["texts_sent"]
    assert sent == 20
    run(*LEARN)
    run("classify", "predict", "train.csv", "-o", "out.csv")
    assert service.stats()["texts_sent"] == sent
    (work / "new.csv").write_text("text\nmoney anew\nmoney anew\n")
    for _ in range(2):
        run("classify", "predict", "new.csv")
    assert service.stats()["texts_sent"] == sent + 1


def test_a_refused_text_costs_only_itself(run: Any, work: Path) -> None:
    run(*LEARN)
    rows = [f"{i},money text {i}{' REJECT-ME' if i == 7 else ''}" for i in range(20)]
    (work / "new.csv").write_text("\n".join(["n,text", *rows]) + "\n")
    result = run("classify", "predict", "new.csv", code=1)
    found = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["n"] for row in found if not row["label"]] == ["7"]
    assert len(found) == 20
    assert "1 row could not be labelled:\n  line 9: it could not be labelled:" in result.stderr


def test_a_missing_key_is_told_before_anything_is_read(
    run: Any, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(*LEARN)
    monkeypatch.delenv("CO_API_KEY")
    refused = run("classify", "predict", "there-is-no-such-file.csv", code=4)
    assert "CO_API_KEY" in refused.stderr
    run(*LEARN)  # all that it needs was paid for
    with (work / "train.csv").open("a") as file:
        file.write("a new one,money\n")
    assert "CO_API_KEY" in run(*LEARN, code=4).stderr
