from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from embedkit import registry, settings
from embedkit.errors import InvalidInputError, SettingsError
from embedkit.managed.cohere import CohereAccount
from embedkit.managed.limits import PRESETS, Limits, check_table, limits_for


def test_presets_are_what_is_published() -> None:
    for plan in ("trial", "production"):
        assert limits_for("cohere", "embed", plan=plan).inputs_per_minute == 2000
    assert limits_for("cohere", "rerank", plan="trial").requests_per_minute == 10
    assert limits_for("cohere", "rerank", plan="production").requests_per_minute == 1000
    assert limits_for("cohere", "chat", plan="trial").requests_per_minute == 20
    assert limits_for("cohere", "chat", plan="production").requests_per_minute == 500
    assert not limits_for("openai", "embed").paced


def test_the_default_plan_is_the_last() -> None:
    assert limits_for("cohere", "rerank") == PRESETS["cohere"]["production"]["rerank"]


def test_a_spec_wins_over_an_endpoint_over_a_provider_over_a_plan() -> None:
    table: dict[str, Any] = {"plan": "trial", "attempts": 3, "concurrency": 5}
    assert limits_for("cohere", "chat", settings=table) == Limits(
        requests_per_minute=20, attempts=3, concurrency=5, timeout=120.0
    )
    table["chat"] = {"concurrency": 2}
    assert limits_for("cohere", "chat", settings=table).concurrency == 2
    assert limits_for("cohere", "embed", settings=table).concurrency == 5
    given = {"concurrency": 1, "timeout": None}
    limits = limits_for("cohere", "chat", plan="production", given=given, settings=table)
    assert (limits.concurrency, limits.requests_per_minute, limits.timeout) == (1, 500, 120.0)


@pytest.mark.parametrize(
    ("table", "part"),
    [
        ({"cohere": {"plan": "gold"}}, "trial or production, got 'gold'"),
        ({"cohere": {"plan": ["trial"]}}, "trial or production"),
        ({"cohere": {"timeout": math.nan}}, "seconds > 0"),
        ({"cohere": {"timeout": math.inf}}, "seconds > 0"),
        ({"cohere": {"timeout": 0}}, "seconds > 0"),
        ({"cohere": {"concurrency": True}}, "a whole number >= 1"),
        ({"cohere": {"concurrency": 2.5}}, "a whole number >= 1"),
        ({"cohere": {"inputs_per_minute": -1}}, "a whole number >= 1"),
        ({"cohere": {"embed": {"plan": "trial"}}}, "no limit is called 'plan'"),
        ({"cohere": {"embed": 5}}, "x.cohere.embed: expected a table"),
        ({"cohere": {"speed": 5}}, "no limit is called 'speed'; there are: plan, inputs"),
        ({"coher": {}}, "cohere or openai, got 'coher'"),
        ({"cohere": 7}, "expected a table"),
        ("fast", "expected a table"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused_by_name(table: Any, part: str) -> None:
    with pytest.raises(SettingsError, match="x") as raised:
        check_table(table, "x")
    assert part in str(raised.value)


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"concurrency": 0}, "concurrency"),
        ({"inputs_per_minute": -5}, "inputs_per_minute"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": math.nan}, "timeout"),
    ],
)
def test_options_of_a_spec_are_checked(given: Any, part: str) -> None:
    with pytest.raises(InvalidInputError, match=part):
        limits_for("cohere", "embed", given=given)


def test_an_unknown_plan_is_a_wrong_argument_or_a_wrong_setting() -> None:
    with pytest.raises(InvalidInputError, match="trial or production") as raised:
        limits_for("cohere", "embed", plan="gold")
    assert not isinstance(raised.value, SettingsError)
    with pytest.raises(SettingsError, match="trial or production"):
        limits_for("cohere", "embed", settings={"plan": "gold"})


def test_minutes_are_those_of_the_tightest_limit() -> None:
    limits = Limits(inputs_per_minute=100, requests_per_minute=10, tokens_per_minute=1000)
    assert limits.minutes(inputs=100, requests=1, tokens=10) == 1
    assert limits.minutes(inputs=1, requests=20, tokens=10) == 2
    assert limits.minutes(inputs=1, requests=1, tokens=3000) == 3
    assert Limits().minutes(inputs=10**6, requests=10**6, tokens=10**9) == 0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_settings_file_sets_limits(folder: Path) -> None:
    (folder / "embedkit.toml").write_text(
        '[limits.cohere]\nplan = "trial"\ntimeout = 5\n[limits.cohere.embed]\nconcurrency = 2\n'
    )
    assert CohereAccount.limits("embed", None, {}) == Limits(2000, concurrency=2, timeout=5)
    assert CohereAccount.limits("rerank", None, {}).requests_per_minute == 10
    assert CohereAccount.limits("rerank", "production", {"timeout": 9}) == Limits(
        requests_per_minute=1000, timeout=9
    )


def test_a_settings_file_that_cannot_be_meant_is_named(folder: Path) -> None:
    (folder / "embedkit.toml").write_text('[limits.cohere]\nplan = ["trial"]\n')
    with pytest.raises(SettingsError, match=r"embedkit\.toml: limits\.cohere"):
        settings.load()


def test_the_options_of_a_spec_arrive(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CO_API_KEY", "some-key")
    embedder: Any = registry.create(
        "embedder", "cohere:embed-v4.0?plan=trial&inputs_per_minute=50&concurrency=3&timeout=2.5"
    )
    assert embedder.limits == Limits(50, concurrency=3, timeout=2.5)
    with pytest.raises(InvalidInputError):
        registry.create("embedder", "cohere:embed-v4.0?inputs_per_minute=many")
