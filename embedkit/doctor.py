"""What of embedkit works on this machine: the interpreter, backends, weights, devices, home.

Returns data; the command line prints it. Native libraries are really imported here, since one
that is installed and cannot be loaded is what a person asks a doctor about.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from embedkit import registry
from embedkit.errors import EmbedkitError, MissingDependencyError

State: TypeAlias = Literal["ok", "absent", "broken"]
OLDEST = (3, 11)
SLOW = frozenset(("sentence_transformers", "torch", "transformers", "pynndescent"))
"""Modules that take seconds to import: looked for, not loaded."""
BASE = ("duckdb", "pyarrow", "sklearn", "platformdirs", "tqdm", "click")
"""Modules of the base installation that no backend's row names."""
EVALUATE = ("ir_measures", "matplotlib", "scipy")
"""Modules of the extra ``evaluate``, which no backend's row names either."""
EVALUATE_INSTALL = "pip install 'embedkit[evaluate]'"
DISTRIBUTIONS = {
    "ir_measures": "ir-measures",
    "sklearn": "scikit-learn",
    "sentence_transformers": "sentence-transformers",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    part: str
    state: State
    """``ok``; ``absent``, an extra that is not installed; ``broken``, which needs mending."""
    detail: str
    remedy: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the check as plain values."""
        return asdict(self)


def examine(home: str | os.PathLike[str] | None = None) -> list[Check]:
    """Look at everything that embedkit needs or could use.

    Parameters
    ----------
    home : path or None
        The folder of the collections; None is the one that settings name.
    """
    return [
        *_interpreter(),
        *_libraries(),
        *_backends(),
        *_weights(),
        *_services(),
        *_devices(),
        *_home(home),
        *_settings(),
    ]


def _interpreter() -> Iterator[Check]:
    from embedkit import __version__

    version = platform.python_version()
    where = f"{version} on {platform.system()} {platform.machine()}, {sys.executable}"
    if sys.version_info < OLDEST:
        yield Check("Python", "broken", where, "install Python 3.11 or newer")
    else:
        yield Check("Python", "ok", where)
    yield Check("embedkit", "ok", f"{__version__}, {Path(__file__).parent}")


def _libraries() -> Iterator[Check]:
    for module in BASE:
        found, detail = _module(module)
        state: State = "ok" if found == "ok" else "broken"
        remedy = "" if state == "ok" else "pip install embedkit"
        yield Check("library", state, detail, remedy)
    for module in EVALUATE:
        state, detail = _module(module)
        yield Check("evaluate", state, detail, "" if state == "ok" else EVALUATE_INSTALL)


def _backends() -> Iterator[Check]:
    for family in registry.GROUPS:
        for row in registry.rows(family):
            yield _row(row)
        built_in = {row.name for row in registry.rows(family)}
        for name in registry.names(family):
            if name not in built_in:
                yield _outside(family, name)


def _row(row: registry.Row) -> Check:
    part = f"{row.family} {row.name}"
    found = [(module, *_module(module)) for module in row.requires]
    detail = ", ".join(text for _, state, text in found if state == "ok") or "built in"
    wrong = "; ".join(text for _, state, text in found if state != "ok")
    if any(state == "broken" for _, state, _ in found):
        return Check(part, "broken", wrong, f"{row.libraries} --force-reinstall")
    if wrong:
        # Without its extra a backend is only not there; without the base nothing works.
        return Check(part, "absent" if row.extra else "broken", wrong, row.install)
    if not SLOW.intersection(row.requires):
        try:
            registry.resolve(row.family, row.name)
        except MissingDependencyError as error:
            return Check(part, "broken", error.message, error.do)
        except Exception as error:
            return Check(part, "broken", f"{type(error).__name__}: {error}", "report this")
    return Check(part, "ok", detail)


def _outside(family: registry.Family, name: str) -> Check:
    part = f"{family} {name}"
    try:
        target = registry.resolve(family, name)
    except Exception as error:
        detail = f"registered from outside, cannot be loaded: {type(error).__name__}: {error}"
        return Check(part, "broken", detail, "mend or uninstall the package that registers it")
    return Check(part, "ok", f"registered from outside by {target.__module__}")


def _module(module: str) -> tuple[State, str]:
    """Return whether a module is there and can be loaded, and its version or what is wrong."""
    if importlib.util.find_spec(module) is None:
        return "absent", f"{module} is not installed"
    name = DISTRIBUTIONS.get(module, module)
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        version = "of unknown version"
    if module not in SLOW:
        try:
            importlib.import_module(module)
        except Exception as error:
            return "broken", f"{name} {version} cannot be loaded: {error}"
    return "ok", f"{name} {version}"


def _weights() -> Iterator[Check]:
    from embedkit.embedders.weights import find_minilm

    status = find_minilm()
    if status.path is not None and status.sha256_ok:
        yield Check("weights of minilm", "ok", f"{status.detail}, SHA-256 as published")
    else:
        yield Check("weights of minilm", "broken", status.detail, status.remedy)
    from embedkit.generators.smollm_weights import find_smollm

    status = find_smollm()
    if status.sha256_ok:
        yield Check("weights of smollm", "ok", f"{status.detail}, SHA-256 as published")
    else:
        # Nothing but the generator of that name needs them.
        state: State = "broken" if status.sha256_ok is False else "absent"
        yield Check("weights of smollm", state, status.detail, status.remedy)


def _services() -> Iterator[Check]:
    from embedkit.managed.examine import services

    for part, state, detail, remedy in services():
        yield Check(part, state, detail, remedy)


def _devices() -> Iterator[Check]:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Check("CPU", "ok", f"{count} {'thread' if count == 1 else 'threads'}")
    if importlib.util.find_spec("torch") is None:
        yield Check(
            "GPU", "absent", "looked for by torch, which is not installed",
            "pip install 'embedkit[local]'",
        )  # fmt: skip
        return
    try:
        import torch

        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        if torch.backends.mps.is_available():
            names.append("Apple MPS")
    except Exception as error:
        yield Check(
            "GPU",
            "broken",
            f"torch cannot be loaded: {error}",
            "pip install --force-reinstall torch",
        )
        return
    found = ", ".join(names)
    yield Check("GPU", "ok" if found else "absent", found or "torch finds none; the CPU is used")


def _home(home: str | os.PathLike[str] | None) -> Iterator[Check]:
    from embedkit.catalog import names
    from embedkit.settings import resolve_home

    try:
        folder = resolve_home(home)
        held = len(names(folder)) if folder.is_dir() else 0
    except EmbedkitError as error:
        yield Check("home", "broken", error.message, error.do)
        return
    if folder.exists() and not folder.is_dir():
        yield Check("home", "broken", f"{folder} is a file", "choose a folder with --home")
        return
    nearest = next(path for path in (folder, *folder.parents) if path.is_dir())
    free = shutil.disk_usage(nearest).free / 1e9
    made = f"{held} {'collection' if held == 1 else 'collections'}"
    detail = f"{folder}, {made if folder.is_dir() else 'not made yet'}, {free:,.1f} GB free"
    if not os.access(nearest, os.W_OK):
        yield Check("home", "broken", f"{detail}, cannot be written", "choose another with --home")
    else:
        yield Check("home", "ok", detail)


def _settings() -> Iterator[Check]:
    from embedkit.settings import load

    try:
        settings = load()
    except EmbedkitError as error:
        yield Check("settings", "broken", error.message, error.do)
        return
    listed = [f"{key} from {origin}" for key, origin in sorted(settings.origins.items())]
    yield Check("settings", "ok", "; ".join(listed) or "none: the defaults are in effect")
