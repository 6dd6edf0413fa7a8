"""The import budget: what each way in may load, and what it never does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {
    "annoy", "cohere", "ctranslate2", "duckdb", "httpx", "huggingface_hub", "ir_measures",
    "matplotlib", "numba", "numpy", "pandas", "plotly", "polars", "pyarrow", "pynndescent",
    "safetensors", "scipy", "sentence_transformers", "sklearn", "tantivy", "tokenizers", "torch",
    "tqdm", "transformers", "turbovec", "usearch", "xllamacpp",
}  # fmt: skip
EXPLAINED = (
    "index", "search", "collections", "cache", "calibrate", "doctor", "evaluate", "runs", "migrate",
)  # fmt: skip
SEARCHING = {"ctranslate2", "duckdb", "numpy", "safetensors", "tokenizers", "turbovec"}
"""What a search may load; anything else heavy would make a person wait for nothing."""


def loaded(code: str, folder: Path) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after running some code."""
    program = """
import sys
try:
    exec(sys.argv[1])
except SystemExit as end:
    assert not end.code, end.code
print(file=sys.stderr)
print(*sorted(sys.modules), file=sys.stderr)
"""
    paths = [str(ROOT), str(ROOT / "cli"), str(ROOT / "connectors")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, "-c", program, code],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


def heavy(modules: set[str]) -> set[str]:
    return {name for name in modules if "." not in name} & HEAVY


@pytest.mark.parametrize(
    "module",
    [
        "embedkit", "embedkit.types", "embedkit.errors", "embedkit.protocols", "embedkit.registry",
        "embedkit.settings", "embedkit.caching", "embedkit_connectors", "embedkit_cli.root",
    ],
)  # fmt: skip
def test_importing_loads_no_library(module: str, tmp_path: Path) -> None:
    modules = loaded(f"import {module}", tmp_path)
    assert module in modules
    assert heavy(modules) == set()
    assert "importlib.metadata" not in modules


def test_the_public_names_are_all_there(tmp_path: Path) -> None:
    code = "import embedkit; [getattr(embedkit, name) for name in dir(embedkit)]"
    assert "embedkit.collection" in loaded(code, tmp_path)


@pytest.mark.parametrize("words", [["--help"], ["--version"]])
def test_help_and_version_answer_without_click(words: list[str], tmp_path: Path) -> None:
    code = f"sys.argv[1:] = {words}; from embedkit_cli.main import main; main()"
    modules = loaded(code, tmp_path)
    assert "embedkit_cli.main" in modules
    assert heavy(modules) == set()
    assert "click" not in modules


@pytest.mark.parametrize(
    "words",
    [
        ["--home", ".", "--help"], *([name, "--help"] for name in EXPLAINED),
        ["evaluate", "search", "--help"], ["completion", "zsh"], ["collections", "--json"],
        ["cache", "--json"],
    ],
)  # fmt: skip
def test_explaining_loads_no_library(words: list[str], tmp_path: Path) -> None:
    modules = loaded(f"from embedkit_cli.root import cli; cli({words})", tmp_path)
    assert "embedkit_cli.root" in modules
    assert heavy(modules) == set()
    assert "importlib.metadata" not in modules


@pytest.mark.parametrize("embedder", ["minilm", "hashing"])
def test_searching_loads_only_what_it_needs(embedder: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text\n1,one\n2,two\n", encoding="utf-8")
    home = ["--home", str(tmp_path / "home")]
    loaded(
        f"from embedkit_cli.root import cli; cli(['index', 'a.csv', '--embedder', '{embedder}']"
        f" + {home})",
        tmp_path,
    )
    search = ["search", "one", "--where", "id = '1'", "--format", "table", *home]
    modules = loaded(f"from embedkit_cli.root import cli; cli({search})", tmp_path)
    assert heavy(modules) <= SEARCHING
    assert "duckdb" in modules, "it did search"
    modules = loaded(f"from embedkit_cli.root import cli; cli({['similar', '1', *home]})", tmp_path)
    assert heavy(modules) <= {"duckdb", "numpy", "turbovec"}, "no model is needed"


def test_explaining_a_label_loads_only_what_it_needs(tmp_path: Path) -> None:
    rows = "".join(f"pay bill {i},money\nparcel late {i},post\n" for i in range(6))
    (tmp_path / "a.csv").write_text(f"text,topic\n{rows}", encoding="utf-8")
    train = ["classify", "train", "a.csv", "--embedder", "hashing", "--head", "logreg"]
    loaded(f"from embedkit_cli.root import cli; cli({[*train, '--label', 'topic']})", tmp_path)
    for words in (["classify", "explain", "pay the parcel"], ["classify", "explain"]):
        modules = loaded(f"from embedkit_cli.root import cli; cli({words})", tmp_path)
        assert "embedkit.leaving_out" in modules, "it did explain"
        assert heavy(modules) <= {"numpy", "pyarrow", "safetensors"}


def test_every_row_of_the_registry_can_be_imported_alone(tmp_path: Path) -> None:
    code = """
from embedkit.registry import ROWS
import importlib
for row in ROWS:
    if "torch" not in row.requires and "pynndescent" not in row.requires:
        importlib.import_module(row.target.partition(":")[0])
"""
    assert heavy(loaded(code, tmp_path)) & {"torch", "pandas", "polars", "numba"} == set()


def test_the_probe_sees_what_is_loaded(tmp_path: Path) -> None:
    assert "numpy" in heavy(loaded("import numpy", tmp_path))
