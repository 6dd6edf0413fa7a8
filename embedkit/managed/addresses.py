"""Which addresses a key may go to: not every one that a file names.

A collection is a folder that can be copied, and it names the service that filled it. Whoever opens
one that came from elsewhere has not chosen that service, so the key stays here unless the address
is the public one, is on this machine, or is the one in the provider's variable.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from embedkit.errors import CredentialsError
from embedkit.registry import Spec


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a provider's key and address stand in the environment, and its public address."""

    key: str
    url: str
    public: str


PROVIDERS: Mapping[str, Provider] = {
    "cohere": Provider("CO_API_KEY", "CO_API_URL", "https://api.cohere.com"),
    "openai": Provider("OPENAI_API_KEY", "OPENAI_BASE_URL", "https://api.openai.com/v1"),
}


def refuse_foreign(spec: str, name: str = "", *, kind: str = "collection") -> None:
    """Refuse a spec out of a collection that would send a key where its owner never said.

    Parameters
    ----------
    name : str
        Of the collection, where it has one.
    kind : str
        What else has that name and holds the spec.

    Raises
    ------
    CredentialsError
    """
    parsed = Spec.parse(spec)
    address = parsed.options.get("base_url", "").rstrip("/")
    provider = PROVIDERS.get(parsed.name)
    if provider is None or not address or not os.environ.get(provider.key, "").strip():
        return
    known = (provider.public, os.environ.get(provider.url, "").rstrip("/"))
    if address in known or _is_local(address):
        return
    made = {"collection": "filled by", "head": "made to ask"}.get(kind, "learned on vectors of")
    whose = f"{kind} {name!r}" if name else f"the {kind}"
    raise CredentialsError(
        f"{whose} was {made} the service at {urlsplit(address).hostname}, "
        f"and the key in {provider.key} is not sent to an address that only a file names",
        do=f"if you trust it, set {provider.url} to the whole address",
    )


def _is_local(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
