"""What ``embedkit doctor`` says of remote services: whether a key works, and for which model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

from embedkit import settings
from embedkit.errors import EmbedkitError
from embedkit.managed.account import Account
from embedkit.managed.http import shown_url
from embedkit.registry import Spec

State: TypeAlias = Literal["ok", "absent", "broken"]
DEFAULTS = {"cohere": "embed-v4.0", "openai": "text-embedding-3-small"}
"""The model that each provider is asked about, unless settings name another."""


def services() -> Iterator[tuple[str, State, str, str]]:
    """Yield the name, state, detail and remedy of each service. Asks only those that have a key."""
    from embedkit.managed.cohere import CohereAccount
    from embedkit.managed.openai import OpenAIAccount

    accounts: tuple[type[Account[Any]], ...] = (CohereAccount, OpenAIAccount)
    for account in accounts:
        yield (f"service {account.name}", *_examined(account))


def _examined(kind: type[Account[Any]]) -> tuple[State, str, str]:
    if not os.environ.get(kind.key_variable, "").strip():
        return "absent", f"{kind.key_variable} is not set", kind.key_advice
    try:
        spec = Spec.parse(settings.load().embedder or kind.provider)
        chosen = spec if spec.name == kind.provider else Spec(kind.provider)
        model = chosen.argument or DEFAULTS[kind.provider]
        account = kind(chosen.options.get("base_url"))
        trouble = account.ask(model)
    except EmbedkitError as error:
        return "broken", error.message, error.do
    where = shown_url(account.base_url)
    if trouble is None:
        told = f"the key in {kind.key_variable} works; {kind.provider} would use {model} at {where}"
        return "ok", told, ""
    if trouble.kind == "key":
        told = f"{where} refuses the key in {kind.key_variable}: {trouble.message}"
        return "broken", told, kind.key_advice
    if trouble.kind == "unreachable":
        advice = f"check the network and {kind.url_variable}"
        return "broken", f"{where}: {trouble.message}", advice
    advice = "check the name of the model, or try again later"
    return "broken", f"{model} at {where}: {trouble.message}", advice
