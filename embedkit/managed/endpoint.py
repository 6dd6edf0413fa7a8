"""One endpoint of an account, connected on first use. Importing this loads no client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

from embedkit.embedders.base import Lazy
from embedkit.managed.service import Service

if TYPE_CHECKING:
    from embedkit.managed.account import Account

C = TypeVar("C")


class Endpoint(Generic[C]):
    """One endpoint of an account, connected on first use: building a backend asks for no key.

    Parameters
    ----------
    connect : callable
        Returns the account.
    name : {"embed", "rerank", "chat"}
    plan : str or None
        Preset of the rate limits.
    given : mapping
        Limits out of a spec, see :func:`embedkit.managed.limits.given_limits`.
    """

    def __init__(
        self,
        connect: Callable[[], Account[C]],
        name: str,
        plan: str | None,
        given: Mapping[str, float | None],
    ) -> None:
        self._account = Lazy(connect)
        self._service = Lazy(lambda: self._open(name, plan, given))
        self._client = Lazy(lambda: self.account.client(self.service.limits.timeout))

    def _open(self, name: str, plan: str | None, given: Mapping[str, float | None]) -> Service:
        account = self.account
        return account.service(name, account.limits(name, plan, given))

    @property
    def account(self) -> Account[C]:
        """The key and the address. Raises CredentialsError without a key."""
        return self._account.get()

    @property
    def service(self) -> Service:
        """What paces and retries."""
        return self._service.get()

    @property
    def client(self) -> C:
        """What sends."""
        return self._client.get()
