"""Cohere's embedding models, through its SDK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from embedkit.embedders.base import Lazy
from embedkit.embedders.managed import ManagedEmbedder, Reply, given_limits
from embedkit.errors import InvalidInputError
from embedkit.managed.cohere import CohereAccount, cohere_limits
from embedkit.managed.decode import decode_floats
from embedkit.managed.service import Service
from embedkit.quantized import row_width
from embedkit.types import InputType, Precision

if TYPE_CHECKING:
    import cohere

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
        super().__init__(model, precision)
        self.dimension = dimension
        self.truncate = truncate
        self.base_url = base_url
        self._known = MODELS.get(model)
        self._plan = plan
        self._given = given_limits(
            inputs_per_minute, requests_per_minute, tokens_per_minute, concurrency, timeout
        )
        self._check_dimension()
        self._account = Lazy(lambda: CohereAccount(self.base_url))
        self._client: Lazy[cohere.ClientV2] = Lazy(
            lambda: self._account.get().client(self.limits.timeout)
        )
        self._width = Lazy(self._ask_width)

    def _check_dimension(self) -> None:
        dimension, known = self.dimension, self._known
        if dimension is not None and known and dimension not in known.dimensions:
            offered = ", ".join(map(str, known.dimensions))
            raise InvalidInputError(
                f"expected a dimension of {self.model}: {offered}, got {dimension}"
            )
        if dimension is not None and dimension < 1:
            raise InvalidInputError(f"expected dimension >= 1, got {dimension}")
        row_width(self.precision, dimension or 8)

    @property
    def model_id(self) -> str:
        """Model, width and how texts are cut: all that the vectors depend on."""
        extra = "" if self.truncate == "END" else f" truncate={self.truncate}"
        extra += "" if self.precision == "float32" else f" precision={self.precision}"
        return f"cohere:{self.model} dimension={self.dim}{extra}"

    @property
    def dim(self) -> int:
        """Width of the vectors; of a model that is not known here, learnt from a vector."""
        if self.dimension is not None:
            return self.dimension
        return self._known.dimensions[0] if self._known else self._width.get()

    @property
    def max_tokens(self) -> int | None:
        """What the model reads of one text."""
        return self._known.max_tokens if self._known else None

    def check_access(self) -> None:
        """Refuse a missing key, and one that the service refuses."""
        self._account.get().check_key(self.model)

    def _connect(self) -> Service:
        limits = cohere_limits("embed", self._plan, self._given)
        return self._account.get().service("embed", limits)

    def _ask_width(self) -> int:
        service = self._connected.get()
        answer = service.call(lambda: decode_floats(self._ask(["width"], "document")[0], 1, None))
        return int(answer.shape[1])

    def _request(self, texts: Sequence[str], input_type: InputType) -> Reply:
        rows, billed = self._ask(texts, input_type)
        return Reply(decode_floats(rows, len(texts), self.dim), billed)

    def _ask(self, texts: Sequence[str], input_type: InputType) -> tuple[Any, int | None]:
        """Return the rows of an answer, unchecked, and the tokens that it is billed."""
        options: dict[str, Any] = {}
        if self.dimension is not None:
            options["output_dimension"] = self.dimension
        answer = self._client.get().embed(
            model=self.model,
            texts=list(texts),
            input_type=INPUT_TYPES[input_type],
            embedding_types=["base64"],
            truncate=self.truncate,
            **options,
        )
        units = getattr(getattr(answer, "meta", None), "billed_units", None)
        billed = getattr(units, "input_tokens", None)
        rows = getattr(getattr(answer, "embeddings", None), "base64", None)
        return rows, None if billed is None else int(billed)
