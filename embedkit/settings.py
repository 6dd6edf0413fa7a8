"""Settings: option, environment, ``embedkit.toml``, the user's own file, default, in this order.

The nearest ``embedkit.toml`` from the working folder upwards belongs to a project; the user's own
lies where the platform keeps configuration (``~/.config/embedkit/embedkit.toml`` on Linux). Both
hold the same keys::

    home = ".embedkit"        # a relative path starts from the file's own folder
    embedder = "minilm:int8"  # what a new collection is filled with
    index = "auto"
    generator = "smollm"      # who writes; each command has its own default
    k = 10
    mode = "hybrid"           # how the command line searches: "dense", "lexical" or "hybrid"
    format = "table"
    cache_size = "4GB"        # what the vector cache of a home may take; "0" keeps nothing

    [limits.cohere]           # of a remote service: see embedkit.managed.limits
    plan = "trial"

    [prices]                  # US dollars for a million tokens
    "cohere:embed-v4.0" = 0.12

Keys of remote services are no settings: they come from the environment alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embedkit.errors import SettingsError
from embedkit.types import MODES, Mode

FILE = "embedkit.toml"
HOME = ".embedkit"
K = 10
FORMATS = ("table", "json", "jsonl", "csv")
CACHE_SIZE = 4_000_000_000
_UNITS = {
    **{unit: 1000**power for power, unit in enumerate(("b", "kb", "mb", "gb", "tb"))},
    **{unit: 1024**power for power, unit in enumerate(("b", "kib", "mib", "gib", "tib"))},
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What is in effect, and where it comes from."""

    home: Path
    embedder: str | None
    """Spec for a new collection; None leaves it to the library."""
    index: str | None
    """Spec for a new collection; None leaves it to the library."""
    k: int
    mode: Mode
    format: str | None
    """One of ``FORMATS``; None means a table on a terminal and JSON Lines elsewhere."""
    cache_size: int = CACHE_SIZE
    """Bytes that the vector cache of a home may take; 0 where nothing is cached."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where each setting that is not the default was found: a file or a variable."""
    limits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What remote services take, by provider, as far as it is not their preset."""
    prices: Mapping[str, float] = field(default_factory=dict)
    """US dollars for a million tokens, by ``provider:model``, in place of the list prices."""
    generator: str | None = None
    """Spec of who writes; None leaves it to what is done: each has a default of its own."""
    files: tuple[Path, ...] = ()
    """The settings files that were read, the project's before the user's."""


def load(start: Path | None = None) -> Settings:
    """Read the environment and the settings files.

    Parameters
    ----------
    start : Path or None
        Where the search for the project's ``embedkit.toml`` begins; None is the working folder.

    Raises
    ------
    SettingsError
        An unknown key, a value of the wrong kind, or a file that is not TOML.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    files = tuple(path for path in (project_file(start), user_file()) if path)
    for path in reversed(files):
        for key, value in _read(path).items():
            values[key], origins[key] = value, str(path)
    for key, kind in _KINDS.items():
        variable = f"EMBEDKIT_{key.upper()}"
        text = os.environ.get(variable, "") if kind not in _TABLES else ""
        if text:
            values[key], origins[key] = kind(text, variable), variable
    home = values.get("home")
    return Settings(
        home=Path.cwd() / HOME if home is None else Path(home),
        embedder=values.get("embedder"),
        index=values.get("index"),
        k=values.get("k", K),
        mode=values.get("mode", MODES[0]),
        format=values.get("format"),
        limits=values.get("limits", {}),
        prices=values.get("prices", {}),
        cache_size=values.get("cache_size", CACHE_SIZE),
        generator=values.get("generator"),
        origins=origins,
        files=files,
    )


def resolve_home(home: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder that holds the collections, whether it exists or not.

    An argument comes first, then ``EMBEDKIT_HOME``, then the settings files, then ``./.embedkit``.

    Raises
    ------
    SettingsError
        A settings file that cannot be read, where one is asked.
    """
    given = home if home is not None else os.environ.get("EMBEDKIT_HOME") or None
    if given is not None:
        return Path(given).expanduser().absolute()
    return load().home.expanduser().absolute()


def project_file(start: Path | None = None) -> Path | None:
    """Return the nearest ``embedkit.toml``, from a folder upwards."""
    folder = (start or Path.cwd()).absolute()
    for candidate in (folder, *folder.parents):
        path = candidate / FILE
        if path.is_file():
            return path
    return None


def user_file() -> Path | None:
    """Return the user's own settings file, where there is one that may be read."""
    from platformdirs import user_config_path

    path = user_config_path("embedkit", appauthor=False) / FILE
    return path if os.access(path, os.R_OK) else None


def _read(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML: {error}", do="mend the line") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not UTF-8 text", do="save it as UTF-8") from None
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror or error}") from None
    values: dict[str, Any] = {}
    for key, value in found.items():
        if key not in _KINDS:
            raise SettingsError(f"{path}: no setting is called {key!r}", do=_suggest(key))
        values[key] = _KINDS[key](value, f"{path}: {key}")
    if "home" in values:
        values["home"] = str(path.parent / Path(values["home"]).expanduser())
    return values


def _suggest(key: str) -> str:
    import difflib

    near = difflib.get_close_matches(key, _KINDS, n=1)
    listed = "there are: " + ", ".join(_KINDS)
    return f"did you mean {near[0]!r}? {listed}" if near else listed


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise SettingsError(f"{where}: expected a text, got {value!r}")
    return value


def _count(value: Any, where: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if number < 1 or isinstance(value, (bool, float)):
        raise SettingsError(f"{where}: expected a whole number >= 1, got {value!r}")
    return number


def _one_of(*choices: str) -> Callable[[Any, str], str]:
    def check(value: Any, where: str) -> str:
        if value not in choices:
            raise SettingsError(f"{where}: expected one of {', '.join(choices)}, got {value!r}")
        return str(value)

    return check


def _limits(value: Any, where: str) -> dict[str, Any]:
    from embedkit.managed.limits import check_table

    return check_table(value, where)


def _prices(value: Any, where: str) -> dict[str, float]:
    from embedkit.managed.prices import check_table

    return check_table(value, where)


_TABLES = (_limits, _prices)
"""Too much for a variable: these stand in files alone."""


def _size(value: Any, where: str) -> int:
    """Return bytes from ``"4GB"``; a bare number may mean anything and is refused, but for 0."""
    import re

    text = str(value).strip()
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text, re.IGNORECASE | re.ASCII)
    unit = _UNITS.get(match[2].lower()) if match else None
    if isinstance(value, (str, int)) and match and not isinstance(value, bool):
        if unit is not None:
            return int(float(match[1]) * unit)
        if not match[2] and not float(match[1]):
            return 0
    raise SettingsError(
        f'{where}: expected a size such as "4GB" or "500MB", or "0" for no cache, got {value!r}'
    )


_KINDS: dict[str, Callable[[Any, str], Any]] = {
    "home": _text,
    "embedder": _text,
    "index": _text,
    "generator": _text,
    "k": _count,
    "mode": _one_of(*MODES),
    "format": _one_of(*FORMATS),
    "limits": _limits,
    "prices": _prices,
    "cache_size": _size,
}
