"""A key and an address of a provider: how they are found, checked and used."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Generic, TypeVar

from embedkit import settings
from embedkit.errors import CredentialsError, ProviderError
from embedkit.managed.http import check_url, hiding, shown_url
from embedkit.managed.limits import Limits, limits_for
from embedkit.managed.pacing import shared_pacer
from embedkit.managed.service import BadAnswerError, Service, Trouble

C = TypeVar("C")

CHECK_TIMEOUT = 10.0
"""Seconds to wait for word whether a key is good."""


class Account(ABC, Generic[C]):
    """A key and an address of a provider, whose client is a ``C``.

    Parameters
    ----------
    base_url : str or None
        Where the API is; else what the variable says, else the public one.

    Raises
    ------
    CredentialsError
        No key where one is needed.
    """

    name: ClassVar[str]
    """What messages call the provider."""
    provider: ClassVar[str]
    """What specs and settings call it."""
    key_variable: ClassVar[str]
    url_variable: ClassVar[str]
    public_url: ClassVar[str]
    key_advice: ClassVar[str]
    """What to do about a missing or refused key; names the variable."""
    knows_models: ClassVar[bool] = False
    """Whether the probe tells an unknown model from a known one."""

    def __init__(self, base_url: str | None = None) -> None:
        self.base_url = check_url(base_url or os.environ.get(self.url_variable) or self.public_url)
        self.key = (os.environ.get(self.key_variable) or "").strip()
        if not self.key and self.needs_key:
            raise CredentialsError(
                f"expected a key for {self.name} in {self.key_variable}, it is not set",
                do=self.key_advice,
            )
        if not self.key.isascii() or not self.key.isprintable():
            raise CredentialsError(
                f"expected a key in {self.key_variable}, got other characters", do=self.key_advice
            )
        self._classify = hiding(self.key, self.classify)

    @property
    def needs_key(self) -> bool:
        """Whether it is of no use to ask without a key."""
        return True

    @abstractmethod
    def client(self, timeout: float) -> C:
        """Return a client that retries nothing by itself. Safe from several threads."""

    @abstractmethod
    def probe(self, client: C, model: str) -> None:
        """Send a request that costs nothing and needs a good key."""

    @staticmethod
    @abstractmethod
    def classify(error: Exception) -> Trouble | None:
        """Return what an exception of the client means; None for one that is none of its."""

    def ask(self, model: str) -> Trouble | None:
        """Ask about a model, which costs nothing; return what is wrong, if anything."""
        try:
            self.probe(self.client(CHECK_TIMEOUT), model)
        except BadAnswerError as error:
            return Trouble("failed", str(error))
        except Exception as error:
            trouble = self._classify(error)
            if trouble is None:
                raise
            return trouble
        return None

    def check_model(self, model: str) -> None:
        """Refuse a key that the service refuses, and a model that it says it does not have.

        Raises
        ------
        CredentialsError, ProviderError
        """
        trouble = self.check_key(model)
        if self.knows_models and trouble is not None and trouble.kind == "request":
            raise ProviderError(
                f"{self.name} refuses the request: {trouble.message}", status=trouble.status
            )

    def check_key(self, model: str) -> Trouble | None:
        """Refuse a key that the service refuses; return whatever else is wrong.

        Whatever else it says, or nothing at all, is no reason to go no further: the first real
        request will tell.

        Raises
        ------
        CredentialsError
        """
        trouble = self.ask(model)
        if trouble is not None and trouble.kind == "key":
            raise CredentialsError(
                f"{self.name} refuses the key in {self.key_variable}: {trouble.message}",
                do=self.key_advice,
                status=trouble.status,
            )
        return trouble

    @classmethod
    def limits(cls, endpoint: str, plan: str | None, given: Mapping[str, float | None]) -> Limits:
        """Return the limits of an endpoint: of a spec, else of the settings, else of the plan."""
        table = settings.load().limits.get(cls.provider, {})
        return limits_for(cls.provider, endpoint, plan=plan, given=given, settings=table)

    def service(self, endpoint: str, limits: Limits) -> Service:
        """Return an endpoint: ``embed``, ``rerank`` or ``chat``."""
        account = (self.base_url, hashlib.sha256(self.key.encode()).hexdigest(), endpoint)
        pacer = shared_pacer(account, limits)
        return Service(self.name, shown_url(self.base_url), pacer, self._classify, self.key_advice)
