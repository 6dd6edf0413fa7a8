"""Weights of MiniLM's shape that somebody fine-tuned: run by the same engine, without torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedkit.embedders.weights import FILES
from embedkit.errors import WeightsError
from embedkit.indexes import files
from embedkit.integrity import sha256

MAX_TOKENS = 256
NOTE = "finetuned.json"
"""In the folder of a model that embedkit fine-tuned: what was done, and whether it helped."""
AGAIN = "fine-tune it again: embedkit classify finetune"
_SHAPE = {
    "model_type": "bert",
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
}
_MODULES = ("Transformer", "Pooling", "Normalize")


@dataclass(frozen=True, slots=True)
class Tuned:
    """A folder with weights, and the SHA-256 that tells them from others."""

    folder: Path
    digest: str


def why_not(folder: Path) -> str:
    """Return why a folder's model is not one of MiniLM's shape; nothing where it is one."""
    missing = [name for name in (*FILES, "config.json") if not (folder / name).is_file()]
    if missing:
        return f"{folder} holds no {' and no '.join(missing)}"
    found = _json(folder / "config.json")
    for name, wanted in _SHAPE.items():
        got = found.get(name) if isinstance(found, dict) else None
        if got != wanted:
            return f"its {name} is {got!r}, not {wanted!r}"
    modules = _json(folder / "modules.json")
    if isinstance(modules, list):
        kinds = [str(module.get("type", "")).rpartition(".")[2] for module in modules]
        if kinds[:2] != list(_MODULES[:2]) or not set(kinds) <= set(_MODULES):
            return f"it consists of {', '.join(kinds)}"
    pooling = _json(folder / "1_Pooling" / "config.json")
    if isinstance(pooling, dict) and _pooling(pooling) != "mean":
        return "its pooling is not the mean"
    limit = _limit(folder)
    return "" if limit == MAX_TOKENS else f"it reads {limit} tokens, not {MAX_TOKENS}"


def find_tuned(path: str | Path) -> Tuned:
    """Check a folder and hash what it holds (91 MB, about 0.1 s).

    Raises
    ------
    WeightsError
        It holds no model of MiniLM's shape.
    DamagedError
        embedkit fine-tuned it, and a file is not what was written.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise WeightsError(
            f"expected the folder of a fine-tuned MiniLM, {folder} is not there",
            do="check the path",
        )
    hashes = _sealed(folder)
    why = why_not(folder)
    if why:
        raise WeightsError(
            f"expected weights of MiniLM's shape in {folder}: {why}",
            do=f"use it as sentence-transformers:{folder}",
        )
    each = (hashes[name] if hashes else sha256(folder / name) for name in FILES)
    return Tuned(folder, hashlib.sha256("".join(each).encode()).hexdigest())


def _sealed(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file that embedkit wrote, once it is sure to be that of now.

    Of a model that somebody else trained nothing is known; then there are none.

    Raises
    ------
    DamagedError
    """
    if not (folder / NOTE).exists():
        return {}
    files.check(folder, do=AGAIN)
    listed = files.read_signed(folder / files.LIST, do=AGAIN)["files"]
    return {name: str(entry["sha256"]) for name, entry in listed.items()}


def _limit(folder: Path) -> Any:
    """Return how many tokens a model reads: an older and a newer place say it."""
    for name, key in (
        ("sentence_bert_config.json", "max_seq_length"),
        ("tokenizer_config.json", "model_max_length"),
    ):
        found = _json(folder / name)
        if isinstance(found, dict) and key in found:
            return found[key]
    return MAX_TOKENS


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _pooling(config: dict[str, Any]) -> str:
    """Return how a model pools, as either way of writing it says; several count as none."""
    mode = config.get("pooling_mode")
    if mode is not None:
        return str(mode)
    on = [name for name, value in config.items() if name.startswith("pooling_mode_") and value]
    return "mean" if on == ["pooling_mode_mean_tokens"] else "+".join(on)
