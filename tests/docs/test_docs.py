"""What is public is documented: names, backends, commands and benchmarks."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import embedkit
from embedkit import registry
from embedkit_cli.root import COMMANDS

ROOT = Path(__file__).parents[2]
PUBLIC = [name for name in embedkit.__all__ if name != "__version__"]
BENCHMARKS = sorted((ROOT / "benchmarks").glob("[!_]*.py"))


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_has_a_docstring(name: str) -> None:
    doc = inspect.getdoc(getattr(embedkit, name)) or ""
    assert doc, f"embedkit.{name} has no docstring"
    assert not doc.startswith(f"{name}("), "the docstring is the one that dataclass makes"


def test_methods_of_a_collection_have_docstrings() -> None:
    methods = inspect.getmembers(embedkit.Collection, inspect.isfunction)
    public = [(name, method) for name, method in methods if not name.startswith("_")]
    assert {"index", "search", "similar", "upsert", "delete", "get"} <= {name for name, _ in public}
    assert [name for name, method in public if not inspect.getdoc(method)] == []


@pytest.mark.parametrize("row", registry.rows(), ids=lambda row: f"{row.family}-{row.name}")
def test_backend_is_in_the_readme(row: registry.Row) -> None:
    assert f"`{row.name}" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", COMMANDS)
def test_command_is_in_the_readme(name: str) -> None:
    assert f"embedkit {name}" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_benchmark_has_its_command_listed(path: Path) -> None:
    listed = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert f"python benchmarks/{path.name}" in listed
