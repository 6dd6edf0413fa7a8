"""Cohere through its SDK: the account, and what its errors mean.

The SDK validates no answer, retries some failures and not others, and reads ``CO_API_URL`` when it
is imported; so everything is checked here, its own retries are off, and the address is given.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import cohere
from cohere.core.api_error import ApiError
from cohere.core.parse_error import ParsingError

from embedkit.managed.account import Account
from embedkit.managed.addresses import PROVIDERS
from embedkit.managed.http import answer_trouble, transport_trouble
from embedkit.managed.service import BadAnswerError, Trouble

_PROVIDER = PROVIDERS["cohere"]
KEY, URL, PUBLIC = _PROVIDER.key, _PROVIDER.url, _PROVIDER.public
KEY_ADVICE = f"set {KEY} to a key of your account (dashboard.cohere.com, API keys)"
_NOT_ANSWERED = (403, 404, 405, 501)
"""Answers to a question about a model that say nothing about the key: not every server, and not
every key, may tell about models."""


class CohereAccount(Account[cohere.ClientV2]):
    """A key and an address, as every endpoint uses them.

    Parameters
    ----------
    base_url : str or None
        Where the API is; else ``CO_API_URL``, else the public one.
    """

    name = "Cohere"
    provider = "cohere"
    key_variable = KEY
    url_variable = URL
    public_url = PUBLIC
    key_advice = KEY_ADVICE
    knows_models = True

    def __init__(self, base_url: str | None = None) -> None:
        super().__init__(base_url)
        # The SDK adds the version itself; addresses are handed around with one all the same.
        self.base_url = re.sub(r"/v[12]$", "", self.base_url)

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

    def probe(self, client: cohere.ClientV2, model: str) -> None:
        """Ask what the model is; where that cannot be asked, send a request without a text.

        The latter is refused either way, and costs nothing; but a bad key is refused first.
        """
        try:
            with reading():
                client.models.get(model)
        except ApiError as error:
            if error.status_code not in _NOT_ANSWERED:
                raise
            self._probe_embed(client, model)

    def _probe_embed(self, client: cohere.ClientV2, model: str) -> None:
        try:
            with reading():
                client.embed(
                    model=model, input_type="search_query", texts=[], embedding_types=["base64"]
                )
        except ApiError as error:
            if error.status_code not in (400, 422):
                raise

    @staticmethod
    def classify(error: Exception) -> Trouble | None:
        """Return what an exception of the SDK or of its transport means."""
        return classify(error)


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Call the SDK: what it trips over in an answer of another shape is a bad answer."""
    try:
        yield
    except (TypeError, ValueError, AttributeError, LookupError, RecursionError) as error:
        raise BadAnswerError("its answer cannot be read") from error


def classify(error: Exception) -> Trouble | None:
    """Return what an exception of the SDK or of its transport means; None where it is neither's."""
    if isinstance(error, ApiError):
        return answer_trouble(error.status_code, error.body, error.headers or {})
    if isinstance(error, ParsingError):
        return Trouble("failed", "its answer cannot be read")
    return transport_trouble(error)
