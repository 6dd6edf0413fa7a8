"""The model hub, as far as it can be known without its client: where it caches, what is there."""

from __future__ import annotations

import os
import re
from pathlib import Path

ANSWER_WITHIN = 5.0
"""Seconds. The hub's own client tries for half a minute before it says that there is no network."""


def hub_cache(repository: str) -> Path:
    """Return where huggingface_hub keeps a model's snapshots, as its documentation says."""
    cache = os.environ.get("HF_HUB_CACHE")
    home = os.environ.get("HF_HOME")
    home = home or f"{os.environ.get('XDG_CACHE_HOME', '~/.cache')}/huggingface"
    root = Path(cache or f"{home}/hub").expanduser()
    return root / f"models--{repository.replace('/', '--')}"


def hub_revision(model: str, revision: str | None) -> str | None:
    """Return the commit that a revision of a hub's model means on this machine, None if unknown."""
    revision = revision or "main"
    if re.fullmatch("[0-9a-f]{40}", revision):
        return revision
    ref = hub_cache(model) / "refs" / revision
    return ref.read_text().strip() if ref.is_file() else None


def hub_reachable() -> bool:
    """Say whether the hub may be asked: not switched off, and its address answers."""
    # The path of a search imports this module, and these would take it 50 ms.
    import socket
    from urllib.parse import urlsplit
    from urllib.request import getproxies

    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return False
    address = urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    if address.scheme in getproxies():
        return True  # only the client can know how to ask the proxy
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        with socket.create_connection((address.hostname or "", port), ANSWER_WITHIN):
            return True
    except OSError:
        return False
