"""What ``embedkit doctor`` says of remote services: whether a key works, and for which model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Literal, TypeAlias

from embedkit import settings
from embedkit.errors import EmbedkitError
from embedkit.registry import Spec

State: TypeAlias = Literal["ok", "absent", "broken"]
DEFAULT_MODEL = "embed-v4.0"


def services() -> Iterator[tuple[str, State, str, str]]:
    """Yield the name, state, detail and remedy of each service. Asks only those that have a key."""
    yield ("service Cohere", *_cohere())


def _cohere() -> tuple[State, str, str]:
    from embedkit.managed.cohere import KEY, KEY_ADVICE, CohereAccount

    if not os.environ.get(KEY, "").strip():
        return "absent", f"{KEY} is not set", KEY_ADVICE
    try:
        spec = Spec.parse(settings.load().embedder or f"cohere:{DEFAULT_MODEL}")
        chosen = spec if spec.name == "cohere" else Spec("cohere")
        model = chosen.argument or DEFAULT_MODEL
        account = CohereAccount(chosen.options.get("base_url"))
        trouble = account.ask(model)
    except EmbedkitError as error:
        return "broken", error.message, error.do
    where = f"{model} at {account.base_url}"
    if trouble is None:
        return "ok", f"the key in {KEY} works; cohere would use {where}", ""
    if trouble.kind == "key":
        return (
            "broken",
            f"{account.base_url} refuses the key in {KEY}: {trouble.message}",
            KEY_ADVICE,
        )
    if trouble.kind == "unreachable":
        return (
            "broken",
            f"{account.base_url}: {trouble.message}",
            "check the network and CO_API_URL",
        )
    return (
        "broken",
        f"{where}: {trouble.message}",
        "check the name of the model, or try again later",
    )
