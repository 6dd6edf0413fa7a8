"""Cohere through its SDK: the account, and what its errors mean.

The SDK validates no answer, retries some failures and not others, and reads ``CO_API_URL`` when it
is imported; so everything is checked here, its own retries are off, and the address is given.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping

import cohere
from cohere.core.api_error import ApiError
from cohere.core.parse_error import ParsingError

from embedkit import settings
from embedkit.errors import CredentialsError
from embedkit.managed.http import answer_trouble, check_url, transport_trouble
from embedkit.managed.limits import Limits, limits_for
from embedkit.managed.pacing import shared_pacer
from embedkit.managed.service import Service, Trouble

KEY = "CO_API_KEY"
URL = "CO_API_URL"
PUBLIC = "https://api.cohere.com"
KEY_ADVICE = f"set {KEY} to a key of your account (dashboard.cohere.com, API keys)"
_CHECK_TIMEOUT = 10


class CohereAccount:
    """A key and an address, as every endpoint uses them.

    Parameters
    ----------
    base_url : str or None
        Where the API is; else ``CO_API_URL``, else the public one.
    """

    def __init__(self, base_url: str | None = None) -> None:
        self.base_url = check_url(base_url or os.environ.get(URL) or PUBLIC)
        self.key = (os.environ.get(KEY) or "").strip()
        if not self.key:
            raise CredentialsError(
                f"expected a key for Cohere in {KEY}, it is not set", do=KEY_ADVICE
            )
        if not self.key.isascii() or not self.key.isprintable():
            raise CredentialsError(f"expected a key in {KEY}, got other characters", do=KEY_ADVICE)

    def client(self, timeout: float) -> cohere.ClientV2:
        """Return a client of the SDK that retries nothing by itself."""
        return cohere.ClientV2(
            self.key,
            base_url=self.base_url,
            client_name="embedkit",
            timeout=timeout,
            max_retries=0,
            log_warning_experimental_features=False,
        )

    def service(self, endpoint: str, limits: Limits) -> Service:
        """Return an endpoint: ``embed``, ``rerank`` or ``chat``."""
        account = (self.base_url, hashlib.sha256(self.key.encode()).hexdigest(), endpoint)
        pacer = shared_pacer(account, limits)
        return Service("Cohere", self.base_url, pacer, classify, KEY_ADVICE)

    def ask(self, model: str) -> Trouble | None:
        """Ask about a model, which costs nothing; return what is wrong, if anything."""
        try:
            self.client(_CHECK_TIMEOUT).models.get(model)
        except Exception as error:
            trouble = classify(error)
            if trouble is None:
                raise
            return trouble
        return None

    def check_key(self, model: str) -> None:
        """Refuse a key that the service refuses.

        Whatever else it says, or nothing at all, is no reason to go no further: the first real
        request will tell.

        Raises
        ------
        CredentialsError
        """
        trouble = self.ask(model)
        if trouble is not None and trouble.kind == "key":
            raise CredentialsError(
                f"Cohere refuses the key in {KEY}: {trouble.message}",
                do=KEY_ADVICE,
                status=trouble.status,
            )


def cohere_limits(endpoint: str, plan: str | None, given: Mapping[str, float | None]) -> Limits:
    """Return the limits of an endpoint: of a spec, else of the settings, else of the plan."""
    table = settings.load().limits.get("cohere", {})
    return limits_for("cohere", endpoint, plan=plan, given=given, settings=table)


def classify(error: Exception) -> Trouble | None:
    """Return what an exception of the SDK or of its transport means; None where it is neither's."""
    if isinstance(error, ApiError):
        return answer_trouble(error.status_code, error.body, error.headers or {})
    if isinstance(error, ParsingError):
        return Trouble("failed", "its answer cannot be read")
    return transport_trouble(error)
