from __future__ import annotations

from pathlib import Path

import pytest

from embedkit import settings
from embedkit.errors import SettingsError


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder and a configuration folder of the test's own, and no variables."""
    for key in ("HOME", "EMBEDDER", "INDEX", "K", "MODE", "FORMAT", "CACHE_SIZE"):
        monkeypatch.delenv(f"EMBEDKIT_{key}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "person"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    work = tmp_path / "work" / "deep"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    return work


def users_own(text: str) -> Path:
    from platformdirs import user_config_path

    path = user_config_path("embedkit", appauthor=False) / "embedkit.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults(bare: Path) -> None:
    found = settings.load()
    assert found.home == bare / ".embedkit"
    assert (found.embedder, found.index, found.k, found.format) == (None, None, 10, None)
    assert found.files == ()
    assert not found.origins
    assert settings.resolve_home() == bare / ".embedkit"


def test_nearest_project_file_wins_over_the_user_s(bare: Path) -> None:
    mine = users_own('k = 3\nembedder = "hashing"\n')
    far = bare.parent / "embedkit.toml"
    far.write_text("k = 5\n", encoding="utf-8")
    found = settings.load()
    assert (found.k, found.embedder) == (5, "hashing")
    assert found.files == (far, mine)
    assert found.origins == {"k": str(far), "embedder": str(mine)}
    near = bare / "embedkit.toml"
    near.write_text('format = "csv"\n', encoding="utf-8")
    found = settings.load()
    assert (found.k, found.format) == (3, "csv"), "only the nearest project file counts"


def test_environment_wins_over_files(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare / "embedkit.toml").write_text('k = 5\nhome = "here"\n', encoding="utf-8")
    monkeypatch.setenv("EMBEDKIT_K", "7")
    monkeypatch.setenv("EMBEDKIT_HOME", "there")
    found = settings.load()
    assert found.k == 7
    assert found.origins["k"] == "EMBEDKIT_K"
    assert settings.resolve_home() == bare / "there"
    assert settings.resolve_home("option") == bare / "option"


def test_empty_variable_counts_as_unset(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_HOME", "")
    monkeypatch.setenv("EMBEDKIT_K", "")
    assert settings.resolve_home() == bare / ".embedkit"
    assert settings.load().k == 10


def test_relative_home_starts_from_its_file(bare: Path) -> None:
    (bare.parent / "embedkit.toml").write_text('home = "store"\n', encoding="utf-8")
    assert settings.resolve_home() == bare.parent / "store"


def test_home_of_the_person(bare: Path, tmp_path: Path) -> None:
    (bare / "embedkit.toml").write_text('home = "~/kept"\n', encoding="utf-8")
    assert settings.resolve_home() == tmp_path / "person" / "kept"
    assert settings.resolve_home("~/other") == tmp_path / "person" / "other"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'hom = "x"\n', ["embedkit.toml", "'hom'", "did you mean 'home'"]),
        (b"zzz = 1\n", ["'zzz'", "there are: home, embedder, index, generator, k, mode, format"]),
        (b"k = \n", ["embedkit.toml", "line 1"]),
        (b"k = 1\nk = 2\n", ["embedkit.toml", "line 2"]),
        (b"k = 0\n", ["whole number >= 1", "got 0"]),
        (b"k = true\n", ["whole number >= 1", "got True"]),
        (b"k = 2.5\n", ["whole number >= 1", "got 2.5"]),
        (b'k = "many"\n', ["whole number >= 1", "'many'"]),
        (b"home = 3\n", ["home", "expected a text", "got 3"]),
        (b'embedder = " "\n', ["embedder", "expected a text"]),
        (b'cache_size = "4 apples"\n', ["cache_size", '"4GB"', "'4 apples'"]),
        (b"cache_size = 500\n", ["cache_size", '"500MB"', "got 500"]),
        (b"cache_size = true\n", ["cache_size", "got True"]),
        (b'cache_size = "-1GB"\n', ["cache_size", "'-1GB'"]),
        (b"cache_size = 0.0\n", ["cache_size", "got 0.0"]),
        (b'format = "xml"\n', ["table, json, jsonl, csv", "'xml'"]),
        (b'format = ["csv"]\n', ["table, json, jsonl, csv"]),
        (b'home = "\xff"\n', ["not UTF-8"]),
    ],
)
def test_bad_files_are_one_clear_line(bare: Path, content: bytes, words: list[str]) -> None:
    (bare / "embedkit.toml").write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        settings.load()
    message = str(caught.value)
    assert "\n" not in message
    for word in [*words, str(bare / "embedkit.toml")]:
        assert word in message


def test_bad_variable_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_K", "ten")
    with pytest.raises(SettingsError, match="EMBEDKIT_K: expected a whole number"):
        settings.load()


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4GB", 4 * 10**9), ("500 MB", 500 * 10**6), ("1.5kb", 1500), ("2GiB", 2 * 2**30),
        ("0", 0), ("0MB", 0), ("12B", 12), (" 1TB ", 10**12),
    ],
)  # fmt: skip
def test_sizes(monkeypatch: pytest.MonkeyPatch, text: str, size: int) -> None:
    monkeypatch.setenv("EMBEDKIT_CACHE_SIZE", text)
    assert settings.load().cache_size == size


def test_the_cache_has_a_size_unless_told(bare: Path) -> None:
    assert settings.load().cache_size == 4 * 10**9
    (bare / "embedkit.toml").write_text("cache_size = 0\n", encoding="utf-8")
    assert settings.load().cache_size == 0


def test_given_home_asks_no_file(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare / "embedkit.toml").write_text("broken", encoding="utf-8")
    assert settings.resolve_home("x") == bare / "x"
    monkeypatch.setenv("EMBEDKIT_HOME", "y")
    assert settings.resolve_home() == bare / "y"


def test_how_the_command_line_searches(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.load().mode == "dense"
    monkeypatch.setenv("EMBEDKIT_MODE", "hybrid")
    assert settings.load().mode == "hybrid"
    monkeypatch.setenv("EMBEDKIT_MODE", "sparse")
    with pytest.raises(SettingsError, match="expected one of dense, lexical, hybrid"):
        settings.load()
