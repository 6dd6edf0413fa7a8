"""Cohere's embedding models, through its SDK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from embedkit.embedders.managed import ManagedEmbedder
from embedkit.errors import InvalidInputError
from embedkit.managed.decode import count_billed
from embedkit.managed.endpoint import Endpoint
from embedkit.managed.limits import given_limits
from embedkit.types import InputType, Precision

if TYPE_CHECKING:
    import cohere

    from embedkit.managed.cohere import CohereAccount

INPUT_TYPES: Mapping[InputType, str] = {
    "document": "search_document",
    "query": "search_query",
    "classification": "classification",
    "clustering": "clustering",
}


@dataclass(frozen=True, slots=True)
class KnownModel:
    """What is published of a model: its widths, the default first, and what it reads of a text."""

    dimensions: tuple[int, ...]
    max_tokens: int


MODELS: Mapping[str, KnownModel] = {
    "embed-v4.0": KnownModel((1536, 1024, 512, 256), 128_000),
    "embed-english-v3.0": KnownModel((1024,), 512),
    "embed-multilingual-v3.0": KnownModel((1024,), 512),
    "embed-english-light-v3.0": KnownModel((384,), 512),
    "embed-multilingual-light-v3.0": KnownModel((384,), 512),
}
"""A model that is not listed is asked for a vector to learn its width."""


class CohereEmbedder(ManagedEmbedder):
    """A Cohere embedding model. The key comes from the variable ``CO_API_KEY``.

    Parameters
    ----------
    model : str
        Such as ``embed-v4.0``.
    dimension : int or None
        Width of the vectors, where the model offers several: 1536, 1024, 512 or 256.
    precision : {"float32", "int8", "binary"}
        How documents' vectors are kept: 4 bytes, 1 byte or 1 bit a number.
    truncate : {"END", "START", "NONE"}
        Which end of a text is cut that is longer than the model reads; ``NONE`` refuses it.
    base_url : str or None
        Else the variable ``CO_API_URL``, else the public service.
    plan : {"trial", "production"} or None
        Preset of the rate limits.
    inputs_per_minute, requests_per_minute, tokens_per_minute, concurrency : int or None
        In place of the preset's.
    timeout : float or None
        Seconds to wait for an answer.
    """

    provider = "cohere"
    max_inputs = 96

    def __init__(
        self,
        model: str = "embed-v4.0",
        *,
        dimension: int | None = None,
        precision: Precision = "float32",
        truncate: Literal["END", "START", "NONE"] = "END",
        base_url: str | None = None,
        plan: str | None = None,
        inputs_per_minute: int | None = None,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        concurrency: int | None = None,
        timeout: float | None = None,
    ) -> None:
        known = MODELS.get(model)
        if dimension is not None and known and dimension not in known.dimensions:
            offered = ", ".join(map(str, known.dimensions))
            raise InvalidInputError(f"expected a dimension of {model}: {offered}, got {dimension}")
        given = given_limits(
            inputs_per_minute=inputs_per_minute,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            concurrency=concurrency,
            timeout=timeout,
        )
        self.base_url = base_url
        self._endpoint: Endpoint[cohere.ClientV2] = Endpoint(self._connect, "embed", plan, given)
        super().__init__(
            model,
            self._endpoint,
            dimension=dimension,
            published=known.dimensions[0] if known else None,
            precision=precision,
        )
        self.truncate = truncate
        self._known = known

    @property
    def full_id(self) -> str:
        """Model, width and how texts are cut: all that the vectors depend on."""
        extra = "" if self.truncate == "END" else f" truncate={self.truncate}"
        return f"cohere:{self.model}{self._named_dim}{extra}"

    @property
    def max_tokens(self) -> int | None:
        """What the model reads of one text."""
        return self._known.max_tokens if self._known else None

    def _connect(self) -> CohereAccount:
        # The SDK takes most of a second to load, which a query out of the cache need not wait for.
        from embedkit.managed.cohere import CohereAccount

        return CohereAccount(self.base_url)

    def _ask(self, texts: Sequence[str], input_type: InputType) -> tuple[Any, int | None]:
        from embedkit.managed.cohere import reading

        options: dict[str, Any] = {}
        # A model of one width refuses the field, even where it names that width.
        if self.dimension is not None and not (self._known and len(self._known.dimensions) == 1):
            options["output_dimension"] = self.dimension
        client = self._endpoint.client
        with reading():
            answer = client.embed(
                model=self.model,
                texts=list(texts),
                input_type=INPUT_TYPES[input_type],
                embedding_types=["base64"],
                truncate=self.truncate,
                **options,
            )
        units = getattr(getattr(answer, "meta", None), "billed_units", None)
        rows = getattr(getattr(answer, "embeddings", None), "base64", None)
        return rows, count_billed(getattr(units, "input_tokens", None))
