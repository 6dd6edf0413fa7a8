"""Embedding models of any service or local server that speaks OpenAI's protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from embedkit.embedders.managed import ManagedEmbedder
from embedkit.errors import InvalidInputError
from embedkit.managed.decode import count_billed
from embedkit.managed.endpoint import Endpoint
from embedkit.managed.limits import given_limits
from embedkit.managed.service import BadAnswerError
from embedkit.managed.tokens import estimate_tokens
from embedkit.types import InputType, Precision

if TYPE_CHECKING:
    import httpx

    from embedkit.managed.openai import OpenAIAccount

DIMENSIONS: Mapping[str, int] = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
"""Widths as published; a model that is not listed is asked for a vector to learn its width."""


class OpenAIEmbedder(ManagedEmbedder):
    """An embedding model behind OpenAI's protocol. The key comes from ``OPENAI_API_KEY``.

    The protocol knows no input types and refuses empty texts: models that want to be told what a
    text is get it as a prefix, and an empty text is sent as a blank. It truncates nothing: a text
    that is longer than the model reads is refused by most servers.

    Parameters
    ----------
    model : str
        Such as ``text-embedding-3-small``; what a local server calls its model.
    dimension : int or None
        Width of the vectors, where the model offers several.
    query_prefix, document_prefix : str
        Written before queries, and before all other texts, blanks included: ``query: ``.
    precision : {"float32", "int8", "binary"}
        How documents' vectors are kept: 4 bytes, 1 byte or 1 bit a number.
    batch_size : int
        Texts of a request. The protocol allows 2,048, but an answer that breaks is lost whole, a
        run that is killed loses what is under way, and local servers take less.
    base_url : str or None
        Where the API is, up to and with ``/v1``; else the variable ``OPENAI_BASE_URL``, else the
        public service. It is no part of the model's name: a server may move.
    plan : str or None
        Preset of the rate limits.
    inputs_per_minute, requests_per_minute, tokens_per_minute, concurrency : int or None
        In place of the preset's.
    timeout : float or None
        Seconds to wait for an answer.
    """

    provider = "openai"

    def __init__(
        self,
        model: str,
        *,
        dimension: int | None = None,
        query_prefix: str = "",
        document_prefix: str = "",
        precision: Precision = "float32",
        batch_size: int = 128,
        base_url: str | None = None,
        plan: str | None = None,
        inputs_per_minute: int | None = None,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        concurrency: int | None = None,
        timeout: float | None = None,
    ) -> None:
        if not 1 <= batch_size <= 2048:
            raise InvalidInputError(f"expected batch_size from 1 to 2048, got {batch_size}")
        given = given_limits(
            inputs_per_minute=inputs_per_minute,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            concurrency=concurrency,
            timeout=timeout,
        )
        self.base_url = base_url
        self._endpoint: Endpoint[httpx.Client] = Endpoint(self._connect, "embed", plan, given)
        super().__init__(
            model,
            self._endpoint,
            dimension=dimension,
            published=DIMENSIONS.get(model),
            precision=precision,
        )
        self.max_inputs = batch_size
        self.query_prefix = query_prefix
        self.document_prefix = document_prefix
        self._base64: bool | None = None  # whether the server takes the field; None until it did

    @property
    def full_id(self) -> str:
        """Model, width and prefixes: all that the vectors depend on."""
        extra = f" query_prefix={self.query_prefix!r}" if self.query_prefix else ""
        extra += f" document_prefix={self.document_prefix!r}" if self.document_prefix else ""
        return f"openai:{self.model}{self._named_dim}{extra}"

    def _connect(self) -> OpenAIAccount:
        # A query out of the cache need not wait for the client to load.
        from embedkit.managed.openai import OpenAIAccount

        return OpenAIAccount(self.base_url)

    @property
    def special_tokens(self) -> int:
        """Tokens of the prefix of documents, by estimate."""
        return estimate_tokens(self.document_prefix) if self.document_prefix else 0

    def tells_apart(self, input_type: InputType) -> bool:
        """Whether texts of this type are written otherwise than documents: queries may be."""
        return input_type == "query" and self.query_prefix != self.document_prefix

    def _written(self, text: str, input_type: InputType) -> str:
        prefix = self.query_prefix if input_type == "query" else self.document_prefix
        return f"{prefix}{text}" or " "

    def _ask(self, texts: Sequence[str], input_type: InputType) -> tuple[Any, int | None]:
        body: dict[str, Any] = {"model": self.model, "input": list(texts)}
        if self.dimension is not None:
            body["dimensions"] = self.dimension
        answer = self._post(body)
        usage = answer.get("usage")
        billed = usage.get("prompt_tokens") if isinstance(usage, dict) else None
        return _ordered(answer.get("data")), count_billed(billed)

    def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Ask for base64 where it is known: a quarter of the bytes, read 60 times as fast."""
        from embedkit.managed.openai import post, refused_field

        client = self._endpoint.client
        if self._base64 is False:
            return post(client, "embeddings", body)
        try:
            answer = post(client, "embeddings", {**body, "encoding_format": "base64"})
        except Exception as error:
            # Servers refuse a field in many words. If it was the texts, they are refused again.
            if self._base64 or not refused_field(error):
                raise
            answer = post(client, "embeddings", body)
            self._base64 = False
            return answer
        self._base64 = True
        return answer


def _ordered(items: Any) -> list[Any]:
    """Return the vectors in the order of the texts, which may not be the order of the answer."""
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadAnswerError("its answer holds no vectors")
    numbers = [item.get("index", place) for place, item in enumerate(items)]
    if sorted(map(str, numbers)) != sorted(map(str, range(len(items)))):
        raise BadAnswerError(
            "a vector in its answer belongs to no text, or to one that has another"
        )
    rows: list[Any] = [None] * len(items)
    for number, item in zip(numbers, items, strict=True):
        rows[int(number)] = item.get("embedding")
    return rows
