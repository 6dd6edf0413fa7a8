"""Services that speak OpenAI's protocol, the public one and local servers, over plain HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from embedkit.managed.account import Account
from embedkit.managed.addresses import PROVIDERS
from embedkit.managed.http import answer_trouble, transport_trouble
from embedkit.managed.service import BadAnswerError, Trouble

_PROVIDER = PROVIDERS["openai"]
KEY, URL, PUBLIC = _PROVIDER.key, _PROVIDER.url, _PROVIDER.public
KEY_ADVICE = f"set {KEY} to a key of your account (platform.openai.com, API keys)"
_USED_UP = "insufficient_quota"


class OpenAIAccount(Account[httpx.Client]):
    """A key and an address, as every endpoint uses them.

    Parameters
    ----------
    base_url : str or None
        Where the API is, up to and with ``/v1``; else ``OPENAI_BASE_URL``, else the public one. Any
        other than the public one is asked without a key where there is none: local servers need
        none.
    """

    name = "OpenAI"
    provider = "openai"
    key_variable = KEY
    url_variable = URL
    public_url = PUBLIC
    key_advice = KEY_ADVICE

    @property
    def needs_key(self) -> bool:
        """Only the public service is of no use without a key."""
        return self.base_url == PUBLIC

    def client(self, timeout: float) -> httpx.Client:
        """Return a client that keeps its connections, one for each request under way."""
        from embedkit import __version__

        headers = {"User-Agent": f"embedkit/{__version__}"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        return httpx.Client(base_url=self.base_url, headers=headers, timeout=timeout)

    def probe(self, client: httpx.Client, model: str) -> None:
        """Ask which models there are."""
        client.get("models").raise_for_status()

    @staticmethod
    def classify(error: Exception) -> Trouble | None:
        """Return what an exception of httpx means."""
        return classify(error)


def post(client: httpx.Client, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Send a request once and return the object that answers it.

    Raises
    ------
    httpx.HTTPError
        An answer that is an error, or none.
    BadAnswerError
        An answer that is no JSON object.
    """
    answer = client.post(path, json=body).raise_for_status()
    found = _object(answer)
    if found is None:
        raise BadAnswerError("its answer cannot be read")
    return found


def classify(error: Exception) -> Trouble | None:
    """Return what an exception of httpx means; None where it is none of its."""
    if not isinstance(error, httpx.HTTPStatusError):
        return transport_trouble(error)
    answer = error.response
    body = _object(answer)
    told = (body or {}).get("error")
    named = {told.get("code"), told.get("type")} if isinstance(told, dict) else set()
    # Elsewhere than here, many a rate limit per minute is called a quota in the message.
    return answer_trouble(answer.status_code, body, answer.headers, used_up=_USED_UP in named)


def refused_field(error: Exception, field: str = "") -> bool:
    """Whether an answer may mean that the server does not take a field.

    Parameters
    ----------
    field : str
        What the message must name; empty where any refusal may mean it.
    """
    if not isinstance(error, httpx.HTTPStatusError):
        return False
    refused = error.response.status_code in (400, 422, 501)
    return refused and field in error.response.text


def _object(answer: httpx.Response) -> dict[str, Any] | None:
    try:
        found = answer.json()
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
