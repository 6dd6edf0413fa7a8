"""A folder as a reader of the documentation has it: the examples, and ``embedkit`` on the path."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.process import ServerProcess

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder that holds a copy of ``examples/`` and ``notebooks/``."""
    folder = tmp_path_factory.mktemp("reader")
    leftovers = shutil.ignore_patterns("__pycache__", ".embedkit", ".ipynb_checkpoints")
    for name in ("examples", "notebooks"):
        shutil.copytree(ROOT / name, folder / name, ignore=leftovers)
    return folder


@pytest.fixture(scope="module")
def services() -> Iterator[dict[str, str]]:
    """Keys and addresses of managed services, which answer on loopback."""
    with ServerProcess("cohere") as cohere:
        yield {"CO_API_KEY": "good-key", "CO_API_URL": cohere.url}


@pytest.fixture(scope="module")
def environment(
    tmp_path_factory: pytest.TempPathFactory, services: dict[str, str]
) -> dict[str, str]:
    """Environment of a reader: this tree's embedkit, no settings of the person who runs the tests.

    Standing in for an installation, a script named ``embedkit`` runs the command line of the tree.
    """
    folder = tmp_path_factory.mktemp("bin")
    for name, arguments in (("embedkit", "-m embedkit_cli "), ("python", "")):
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}"$@"\n')
        script.chmod(0o755)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("EMBEDKIT_", "PYTEST_", "JUPYTER_"))
    }
    return {
        **kept,
        **services,
        "PATH": os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("", "cli", "connectors")),
        "PYTHONDONTWRITEBYTECODE": "1",
        "XDG_CONFIG_HOME": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "jupyter"),
        "IPYTHONDIR": str(folder / "ipython"),
    }
