"""Runs of a model that costs money: planned, budgeted, stopped, resumed, and never paid twice."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import embedkit
from embedkit import Collection
from embedkit.embedders.cohere import CohereEmbedder
from embedkit.errors import CredentialsError, InvalidInputError, QuotaError, UnavailableError
from embedkit.managed.tokens import estimate_tokens
from embedkit.store import ledger
from embedkit_connectors.memory import MemorySource
from tests.servers.cohere import CohereServer

Open = Callable[..., Collection]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("embedkit.managed.service._FIRST_WAIT", 0.001)
    monkeypatch.setattr("embedkit.managed.service._LONGEST_WAIT", 0.004)
    monkeypatch.setenv("CO_API_KEY", "good-key")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)


def cohere(server: CohereServer, **options: Any) -> CohereEmbedder:
    options = {"dimension": 256, "inputs_per_minute": 10_000_000, **options}
    return CohereEmbedder(base_url=server.url, **options)


@pytest.fixture
def filled(cohere_server: CohereServer, home: Path) -> Open:
    """Open the test's collection, with a fresh embedder of the server's each time."""

    def make(name: str = "q", **options: Any) -> Collection:
        return embedkit.open(
            name, home=home, embedder=cohere(cohere_server, **options), index="flat"
        )

    return make


def rows(n: int, first: int = 0, words: str = "about something") -> list[dict[str, str]]:
    return [{"id": f"r{i}", "text": f"text {i} {words}"} for i in range(first, first + n)]


def source(given_rows: Any) -> MemorySource:
    return MemorySource(given_rows, name="rows")


def sound(server: CohereServer, collection: Collection) -> None:
    """Every record has its text's vector, and nothing was sent twice once it had arrived."""
    texts = {record.id: record.text for record in collection}
    some = sorted(texts)[:: max(1, len(texts) // 10)]
    found = collection.search_many([texts[id] for id in some], k=1)
    for id, [hit] in zip(some, found, strict=True):
        asked = server.vector(texts[id], input_type="search_query", dimension=256)
        expected = float(asked @ server.vector(texts[id], dimension=256))
        assert texts[hit.id] == texts[id]
        assert hit.score == pytest.approx(expected, abs=1e-5)
    documents = [e for e in server.entries() if e.input_type == "search_document"]
    sent = [text for entry in documents if entry.good for text in entry.texts]
    assert len(sent) == len(set(sent))


def documents(server: CohereServer) -> list[str]:
    """Return the texts sent as documents."""
    entries = [entry for entry in server.entries() if entry.input_type == "search_document"]
    return [text for entry in entries for text in entry.texts]


# -- the plan -----------------------------------------------------------------------------------


def test_a_plan_tells_texts_tokens_cost_and_time(filled: Open, cohere_server: CohereServer) -> None:
    collection = filled(inputs_per_minute=2000)
    given_rows = (
        rows(300)
        + rows(100, 1000, "über alles")
        + [{"id": "again", "text": "text 0 about something"}]
    )
    report = collection.index(source(given_rows), dry_run=True)
    tokens = sum(map(estimate_tokens, {row["text"] for row in given_rows}))
    assert (report.status, report.records, report.embedded, report.reused) == (
        "planned",
        401,
        400,
        1,
    )
    assert report.estimated_tokens == tokens
    assert report.cost == pytest.approx(tokens * 0.12 / 1e6, abs=1e-6)
    assert report.rate_limit_seconds == 12.0
    assert report.billed_tokens is None
    assert cohere_server.entries() == [], "a plan sends nothing"


def test_a_plan_knows_what_is_there_and_what_was_billed(
    filled: Open, cohere_server: CohereServer
) -> None:
    collection = filled()
    first = collection.index(source(rows(100)))
    assert first.billed_tokens == cohere_server.stats()["billed_tokens"]
    plan = collection.index(source(rows(150)), dry_run=True)
    assert (plan.embedded, plan.unchanged) == (50, 100)
    assert first.estimated_tokens is not None
    ratio = first.billed_tokens / first.estimated_tokens
    tokens = sum(estimate_tokens(row["text"]) for row in rows(50, 100))
    assert plan.estimated_tokens == pytest.approx(tokens * ratio, abs=1)


def test_prices_of_the_settings_win(
    filled: Open, cohere_server: CohereServer, tmp_path: Path
) -> None:
    (tmp_path / "embedkit.toml").write_text('[prices]\n"cohere:embed-v4.0" = 1000.0\n')
    collection = filled()
    plan = collection.index(source(rows(10)), dry_run=True)
    assert plan.cost == pytest.approx((plan.estimated_tokens or 0) / 1000)
    report = collection.index(source(rows(10)))
    assert report.cost == pytest.approx((report.billed_tokens or 0) / 1000)


def test_no_price_is_no_cost_and_no_budget(
    cohere_server: CohereServer, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from tests.servers import cohere as served

    monkeypatch.setitem(served.MODELS, "new", served.Model("embed", 1000, (64,), choice=True))
    model = CohereEmbedder("new", dimension=64, base_url=cohere_server.url)
    collection = embedkit.open("q", home=home, embedder=model, index="flat")
    plan = collection.index(source(rows(3)), dry_run=True)
    assert (plan.cost, (plan.estimated_tokens or 0) > 0) == (None, True)
    for dry_run in (True, False):
        with pytest.raises(InvalidInputError, match=r'\[prices\] "cohere:new"'):
            collection.index(source(rows(3)), max_cost=1.0, dry_run=dry_run)
    assert cohere_server.entries() == []
    report = collection.index(source(rows(3)))
    assert (report.cost, report.billed_tokens) == (None, 12)


# -- limits of a run ----------------------------------------------------------------------------

WORDS = st.sampled_from(
    ["internationalization", "a", "!?!", "日本", "...", "word", "x1", "Übermut"]
)
TEXTS = st.lists(st.lists(WORDS, min_size=1, max_size=30).map(" ".join), min_size=1, max_size=150)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(texts=TEXTS, share=st.floats(0, 1.3), data=st.data())
def test_a_budget_is_never_crossed(texts: list[str], share: float, data: Any) -> None:
    """Not even by what is billed for answers that were lost."""
    spoils = ["missing-row", "truncated-json", "reset-body", "500", "429:0.001"]
    # More in a row would end the run, or have a text delivered twice: other tests are about that.
    faults = data.draw(st.lists(st.none() | st.sampled_from(spoils), max_size=3))
    with tempfile.TemporaryDirectory() as folder, CohereServer() as server:
        total = sum(server.tokens(text) for text in set(texts))
        budget = share * total * 0.12 / 1e6
        server.fail(*faults)
        collection = embedkit.open("q", home=folder, embedder=cohere(server), index="flat")
        report = collection.index(texts, max_cost=budget)
        assert server.stats()["billed_tokens"] * 0.12 / 1e6 <= budget + 1e-12
        assert report.status in ("done", "stopped")
        assert report.embedded == server.stats()["texts_delivered"]
        collection.close()


def test_most_of_a_budget_is_used(filled: Open, cohere_server: CohereServer) -> None:
    collection = filled()
    total = sum(cohere_server.tokens(row["text"]) for row in rows(1000))
    report = collection.index(source(rows(1000)), max_cost=total / 2 * 0.12 / 1e6)
    assert report.status == "stopped"
    assert total * 0.45 < (report.billed_tokens or 0) <= total * 0.5
    assert any("--max-cost" in note for note in report.notes)
    assert len(collection) == report.embedded
    assert collection.index(source(rows(1000)), max_cost=1.0).status == "done"
    assert len(collection) == 1000
    sound(cohere_server, collection)
    assert collection.index(source(rows(1000)), max_cost=0.0).status == "done"


@pytest.mark.parametrize("most", [0, 1, 96, 97, 250])
def test_max_texts_is_exact(filled: Open, cohere_server: CohereServer, most: int) -> None:
    collection = filled()
    given_rows = [*rows(250), {"id": "again", "text": "text 0 about something"}]
    report = collection.index(source(given_rows), max_texts=most)
    assert len(documents(cohere_server)) == most
    assert report.embedded == most
    assert report.status == ("done" if most == 250 else "stopped")
    report = collection.index(source(given_rows))
    assert report.embedded == 250 - most
    assert sorted(documents(cohere_server)) == sorted(row["text"] for row in rows(250))
    sound(cohere_server, collection)


def test_max_texts_holds_where_the_cache_has_lost_what_the_plan_counted_on(
    filled: Open, cohere_server: CohereServer, home: Path
) -> None:
    filled("first").index(source(rows(300)))
    with contextlib.closing(sqlite3.connect(home / ".cache" / "vectors.sqlite")) as cache, cache:
        cache.execute("UPDATE vectors SET rows = zeroblob(length(rows))")
    report = filled("second").index(source(rows(300)), max_texts=10)
    assert (report.status, report.embedded) == ("stopped", 10)
    assert len(documents(cohere_server)) == 310
    assert any("--max-texts 10" in note for note in report.notes)
    report = filled("second").index(source(rows(300)))
    assert (report.status, len(filled("second"))) == ("done", 300)
    assert len(documents(cohere_server)) == 600


def test_stop_and_go_on_sends_nothing_twice(filled: Open, cohere_server: CohereServer) -> None:
    for i in range(8):
        report = filled().index(source(rows(300)), max_texts=45)
        assert report.status == ("stopped" if i < 6 else "done")
    collection = filled()
    assert sorted(documents(cohere_server)) == sorted(row["text"] for row in rows(300))
    assert [run.status for run in collection.runs()] == ["done"] * 2 + ["stopped"] * 6
    sound(cohere_server, collection)


def test_a_streaming_embedder_without_a_price_takes_no_limit_of_cost(
    cohere_server: CohereServer, home: Path
) -> None:
    """One of somebody else's: a limit that nobody keeps must not be taken."""

    class Foreign:
        def __init__(self) -> None:
            behind = cohere(cohere_server)
            self.model_id, self.dim = behind.model_id, behind.dim
            self.embed, self.embed_batch = behind.embed, behind.embed_batch
            self.embed_stream = behind.embed_stream

    collection = embedkit.open("q", home=home, embedder=Foreign())
    with pytest.raises(InvalidInputError, match="price for --max-cost"):
        collection.index(source(rows(3)), max_cost=0.0)
    assert documents(cohere_server) == []
    assert collection.index(source(rows(3)), max_texts=2).embedded == 2


def test_answers_that_were_lost_are_told_beside_the_bill(
    filled: Open, cohere_server: CohereServer
) -> None:
    cohere_server.fail("reset-body", "truncated-json")
    report = filled().index(source(rows(90)))
    assert report.billed_tokens is not None
    assert cohere_server.stats()["billed_tokens"] > report.billed_tokens
    lost = 2 * sum(estimate_tokens(row["text"]) for row in rows(90))
    [note] = report.notes
    assert f"about {lost:,} tokens" in note
    assert list(filled().runs()[0].notes) == [note]
    assert filled().index(source(rows(91))).notes == ()


@pytest.mark.parametrize("most", [-1, 1.5, True, "many"])
def test_limits_that_cannot_be_meant(filled: Open, most: Any) -> None:
    with pytest.raises(InvalidInputError, match="max_texts"):
        filled().index(source(rows(1)), max_texts=most)
    if most != 1.5:
        with pytest.raises(InvalidInputError, match="max_cost"):
            filled().index(source(rows(1)), max_cost=most)


# -- what is refused ----------------------------------------------------------------------------


def with_bad(n: int, *bad: int) -> list[dict[str, str]]:
    return [
        {"id": f"r{i}", "text": f"text {i} {'REJECT-ME' if i in bad else 'is good'}"}
        for i in range(n)
    ]


def test_refused_texts_are_listed_remembered_and_sent_again_on_demand(
    filled: Open, cohere_server: CohereServer
) -> None:
    collection = filled()
    report = collection.index(source(with_bad(200, 7, 8, 150)))
    assert (report.status, report.new, report.failed) == ("done", 197, 3)
    failures = collection.run(report.run or 0).failures
    assert [failure.id for failure in failures] == ["r7", "r8", "r150"]
    assert all("cannot be processed" in failure.reason for failure in failures)
    sent = len(documents(cohere_server))

    plan = collection.index(source(with_bad(200, 7, 8, 150)), dry_run=True)
    assert (plan.embedded, plan.failed, plan.cost) == (0, 3, 0)
    again = collection.index(source(with_bad(200, 7, 8, 150)))
    assert (again.failed, again.embedded, again.unchanged) == (3, 0, 197)
    assert len(documents(cohere_server)) == sent, "they are not sent again"
    listed = collection.run(again.run or 0).failures
    assert [failure.id for failure in listed] == ["r7", "r8", "r150"]
    assert all("--retry-failed" in failure.reason for failure in listed)

    third = collection.index(source(with_bad(200, 7, 8, 150)), retry_failed=True)
    assert (third.failed, len(documents(cohere_server)) > sent) == (3, True)
    cohere_server._reject = None
    last = collection.index(source(with_bad(200, 7, 8, 150)), retry_failed=True)
    assert (last.failed, last.new) == (0, 3)
    sent = len(documents(cohere_server))
    done = collection.index(source(with_bad(200, 7, 8, 150)))
    assert (done.failed, done.unchanged, len(documents(cohere_server))) == (0, 200, sent)
    sound(cohere_server, collection)


def test_a_plan_of_a_retry_counts_the_refused(filled: Open) -> None:
    collection = filled()
    collection.index(source(with_bad(20, 7)))
    plan = collection.index(source(with_bad(20, 7)), dry_run=True, retry_failed=True)
    assert (plan.embedded, plan.failed) == (1, 0)
    assert collection.index(source(with_bad(20, 7)), dry_run=True).embedded == 0


def test_another_model_is_asked_itself(filled: Open, cohere_server: CohereServer) -> None:
    filled("q").index(source(with_bad(20, 7)))
    report = filled("other", dimension=512).index(source(with_bad(20, 7)))
    assert report.failed == 1
    assert len([text for text in documents(cohere_server) if "REJECT" in text]) > 2


def test_a_changed_text_that_is_refused_leaves_the_record(
    filled: Open, cohere_server: CohereServer
) -> None:
    collection = filled()
    collection.index(source(with_bad(20)))
    for sync in (False, True, True):
        report = collection.index(source(with_bad(20, 7)), sync=sync)
        assert (report.failed, report.changed, report.removed) == (1, 0, 0)
        assert collection.get("r7").text == "text 7 is good"
    assert len(collection) == 20
    sound(cohere_server, collection)


def test_a_failure_that_may_pass_is_sent_again_by_the_next_run(
    filled: Open, cohere_server: CohereServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service fails on one text until it is mended: that is no refusal."""
    collection = filled(concurrency=1)
    cohere_server._reject = None
    work = cohere_server._encoded

    def poisoned(model: str, text: str, *rest: Any) -> Any:
        vector = work(model, text, *rest)
        return "AAAA" if text.startswith("text 5 ") else vector

    monkeypatch.setattr(cohere_server, "_encoded", poisoned)
    report = collection.index(source(rows(40)))
    assert (report.new, report.failed) == (39, 1)
    monkeypatch.setattr(cohere_server, "_encoded", work)
    assert collection.index(source(rows(40))).new == 1
    assert len(collection) == 40


# -- what ends a run ----------------------------------------------------------------------------


def test_a_used_up_quota_keeps_what_was_done(filled: Open, cohere_server: CohereServer) -> None:
    cohere_server.quota = 2
    collection = filled()
    with pytest.raises(QuotaError, match="used up"):
        collection.index(source(rows(400)))
    kept = len(collection)
    # Two requests were answered; on a busy machine the last one, of sixteen, may be sent early.
    assert kept in (96 + 96, 96 + 16)
    run = collection.runs()[0]
    assert run.status == "failed"
    assert run.counts["embedded"] == kept
    assert run.counts["billed_tokens"] == cohere_server.stats()["billed_tokens"]
    cohere_server.quota = None
    assert collection.index(source(rows(400))).new == 400 - kept
    sound(cohere_server, collection)


def test_a_service_that_goes_away_and_comes_back(filled: Open, cohere_server: CohereServer) -> None:
    collection = filled()
    collection.index(source(rows(100)))
    cohere_server.stop()
    with pytest.raises(UnavailableError, match="cannot be reached"):
        collection.index(source(rows(300)))
    assert len(collection) == 100
    cohere_server.start()
    assert collection.index(source(rows(300))).new == 200
    sound(cohere_server, collection)


def test_a_refused_key_is_told_before_the_source_is_read(
    filled: Open, cohere_server: CohereServer, home: Path
) -> None:
    cohere_server.keys.clear()

    def never() -> Any:
        raise AssertionError("the source was read")
        yield

    for dry_run in (True, False):
        with pytest.raises(CredentialsError, match="CO_API_KEY"):
            filled().index(never(), dry_run=dry_run)
    assert not (home / "q").exists()


def test_an_interrupted_run_keeps_what_was_delivered(
    filled: Open, cohere_server: CohereServer
) -> None:
    collection = filled(concurrency=4, inputs_per_minute=None, timeout=5)
    cohere_server.latency = 0.02
    main = threading.main_thread().ident or 0

    def interrupt() -> None:
        while len(cohere_server.entries()) < 6:
            time.sleep(0.001)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        collection.index(source(rows(1900)))
    thread.join(10)
    assert len(collection) == cohere_server.stats()["texts_delivered"]
    assert collection.runs()[0].status == "interrupted"
    cohere_server.latency = 0
    assert collection.index(source(rows(1900))).status == "done"
    assert cohere_server.stats()["resent"] == {}
    sound(cohere_server, collection)


def test_a_killed_run_is_told_by_its_batches(
    filled: Open, cohere_server: CohereServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PowerCutError(BaseException):
        pass

    def cut(*arguments: Any, **named: Any) -> None:
        raise PowerCutError

    collection = filled()
    collection.index(source(rows(100)))
    with monkeypatch.context() as patch:
        patch.setattr("embedkit.ingest.run.Run._stop", cut)
        patch.setattr(ledger, "finish_run", cut)
        cohere_server.quota = 4
        with pytest.raises(PowerCutError):
            collection.index(source(rows(400)))
    cohere_server.quota = None
    collection = filled()
    collection.index(source(rows(400)))
    last, killed, first = collection.runs()
    assert [run.status for run in (first, killed, last)] == ["done", "interrupted", "done"]
    embedded = [run.counts["embedded"] for run in (first, killed, last)]
    # Requests are sent at once: the last of them, the small one, may be among those answered.
    assert embedded in ([100, 192, 108], [100, 108, 192])
    billed = sum(run.counts["billed_tokens"] for run in (first, killed, last))
    assert billed == cohere_server.stats()["billed_tokens"]
    sound(cohere_server, collection)


def test_the_ledger_has_bill_and_estimate(filled: Open, cohere_server: CohereServer) -> None:
    collection = filled()
    report = collection.index(source(rows(100)))
    counts = collection.runs()[0].counts
    assert counts["billed_tokens"] == report.billed_tokens == cohere_server.stats()["billed_tokens"]
    assert counts["estimated_tokens"] == report.estimated_tokens
    assert report.estimated_tokens == sum(estimate_tokens(row["text"]) for row in rows(100))
    assert counts["cost"] == report.cost
    assert np.isfinite(report.cost or np.nan)


def test_passages_are_planned_paid_and_cached_like_texts(
    cohere_server: CohereServer, home: Path
) -> None:
    story = "\n\n".join(f"Chapter {i} tells of the {i}th journey. " * 8 for i in range(12))
    texts = [{"id": f"r{i}", "text": story.replace("journey", f"journey {i}")} for i in range(5)]

    def opened(name: str) -> Collection:
        return embedkit.open(
            name, home=home, embedder=cohere(cohere_server), chunk="tokens=60,overlap=10"
        )

    collection = opened("q")
    plan = collection.index(texts, dry_run=True)
    assert cohere_server.entries() == []
    first = collection.index(texts, max_texts=20)
    assert (first.status, first.embedded) == ("stopped", 20)
    rest = collection.index(texts)
    assert first.embedded + rest.embedded == plan.embedded
    assert rest.passages is not None
    assert plan.passages == sum(len(collection.passages(f"r{i}")) for i in range(5))
    passages = {p.text for i in range(5) for p in collection.passages(f"r{i}")}
    assert plan.estimated_tokens == sum(map(estimate_tokens, passages))
    assert all(estimate_tokens(passage) <= 60 for passage in passages)
    again = opened("again").index(texts)
    assert (again.cached, again.embedded, again.new) == (len(passages), 0, 5)
