"""What every embedder behind a remote service shares: batches, deliveries, the checks of answers.

A provider's embedder writes ``_ask`` and ``full_id``; its module shows how little that is.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from embedkit.embedders.base import BaseEmbedder, Lazy, check_unicode
from embedkit.errors import InvalidInputError, RejectedError, UnavailableError
from embedkit.managed.budget import Meter
from embedkit.managed.decode import decode_floats
from embedkit.managed.dispatch import Dispatcher, Outcome, make_batches
from embedkit.managed.endpoint import Endpoint
from embedkit.managed.limits import Limits
from embedkit.managed.tokens import estimate_tokens
from embedkit.quantized import check_precision, decode, encode, row_width
from embedkit.types import Delivery, Embeddings, InputType, Precision
from embedkit.validate import check_input_type, check_texts, normalize

if TYPE_CHECKING:
    from embedkit.types import Vectors

MAX_REQUEST_TOKENS = 96_000
"""Estimated tokens of one request, unless a single text has more."""
_PLAIN = "width"
"""A text that no model has reason to refuse."""
_QUERY_ATTEMPTS = 4
"""Somebody waits for the answer to a query."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A checked answer.

    Attributes
    ----------
    vectors : float32 array, shape (n, dim)
        Of any length.
    billed_tokens : int or None
        None where the service does not say.
    """

    vectors: Vectors
    billed_tokens: int | None = None


class ManagedEmbedder(BaseEmbedder):
    """An embedder whose model runs elsewhere and costs money.

    Texts are sent in batches, equal ones once, several batches at a time where that is what the
    rate limit takes; every answer is checked, and handed over as it arrives.

    Documents of another ``precision`` than float32 are quantised here, by the largest component or
    the signs: what a service would quantise costs the same, and lists of whole numbers take fifty
    times as long to read as base64.

    Parameters
    ----------
    model : str
    endpoint : Endpoint
        Where texts are sent.
    dimension : int or None
        Width of the vectors, where it was asked for.
    published : int or None
        Width that the model is known to have; where neither is given, it is learnt from a vector.
    precision : {"float32", "int8", "binary"}
    """

    provider: ClassVar[str]
    """First half of its name in ``[prices]``."""
    max_inputs: int
    """Texts that one request takes."""

    def __init__(
        self,
        model: str,
        endpoint: Endpoint[Any],
        *,
        dimension: int | None = None,
        published: int | None = None,
        precision: Precision = "float32",
    ) -> None:
        if dimension is not None and dimension < 1:
            raise InvalidInputError(f"expected dimension >= 1, got {dimension}")
        row_width(check_precision(precision), dimension or published or 8)
        self.model = model
        self.dimension = dimension
        self._endpoint = endpoint
        self._published = published
        self._precision = precision
        self._width = Lazy(self._ask_width)
        self._learnt: int | None = None

    @abstractmethod
    def _ask(self, texts: Sequence[str], input_type: InputType) -> tuple[Any, int | None]:
        """Send texts once; return the rows of the answer, unchecked, and the tokens it is billed.

        Rows are base64 of little-endian float32 or lists of numbers, in the order of the texts.
        Raises what the account's classifier knows, or BadAnswerError.
        """

    @property
    @abstractmethod
    def full_id(self) -> str:
        """All that the vectors depend on, as the service delivers them: in full precision."""

    @property
    def model_id(self) -> str:
        """All that the vectors depend on, as they are kept."""
        kept = "" if self.precision == "float32" else f" precision={self.precision}"
        return f"{self.full_id}{kept}"

    def _written(self, text: str, input_type: InputType) -> str:
        """Return a text as it is sent, and billed."""
        return text

    def check_access(self) -> None:
        """Refuse a missing or refused key and an unknown model, before any work is done.

        Raises
        ------
        CredentialsError, ProviderError
        """
        self._endpoint.account.check_model(self.model)

    @property
    def dim(self) -> int:
        """Width of the vectors; of a model that is not known here, learnt from a vector."""
        return self.known_dim or self._width.get()

    @property
    def known_dim(self) -> int | None:
        """Width of the vectors, where nobody need be asked for it."""
        return self.dimension or self._published or self._learnt

    def learn_dim(self, dim: int) -> None:
        """Take the width from whoever has vectors of this model already."""
        self._learnt = dim

    @property
    def _named_dim(self) -> str:
        """The width as part of the model's name; a model of one width, not known here, needs none.

        Learning it costs a request, and whoever only wants the name should not pay.
        """
        named = self.dimension or self._published
        return f" dimension={named}" if named else ""

    @property
    def precision(self) -> Precision:
        """How the numbers of a document's vector are kept."""
        return self._precision

    @property
    def max_tokens(self) -> int | None:
        """What the model reads of one text; None where that is not known."""
        return None

    @property
    def limits(self) -> Limits:
        """What the service takes."""
        return self._endpoint.service.limits

    @property
    def price(self) -> float | None:
        """US dollars for a million tokens; None where that is not known."""
        from embedkit import settings
        from embedkit.managed.prices import price_of

        return price_of(f"{self.provider}:{self.model}", settings.load().prices)

    def embed_stream(
        self,
        texts: Sequence[str],
        *,
        input_type: InputType = "document",
        meter: Meter | None = None,
    ) -> Iterator[Delivery]:
        """Yield what became of the texts as it arrives, in any order, each text exactly once.

        Parameters
        ----------
        meter : Meter or None
            What may be spent.

        Raises
        ------
        ProviderError
            What no other text could do better; what had arrived was yielded before.
        BudgetReached
            The next request might cost more than is left.
        """
        listed = check_unicode(check_texts(texts))
        return self._deliver(listed, check_input_type(input_type), meter)

    def _deliver(
        self, texts: list[str], input_type: InputType, meter: Meter | None = None
    ) -> Iterator[Delivery]:
        if not texts:
            return
        places: dict[str, list[int]] = {}
        for i, text in enumerate(texts):
            places.setdefault(text, []).append(i)
        unique = list(places)
        written = [self._written(text, input_type) for text in unique]
        tokens = list(map(estimate_tokens, written))
        batches = make_batches(
            tokens,
            most=self._fitting(self.max_inputs, self.limits.inputs_per_minute),
            most_tokens=self._fitting(MAX_REQUEST_TOKENS, self.limits.tokens_per_minute),
        )
        dim = self.dim  # learnt before, not within, a request: requests under way are counted

        def send(chosen: Sequence[int]) -> Reply:
            rows, billed = self._ask([written[i] for i in chosen], input_type)
            return Reply(decode_floats(rows, len(chosen), dim), billed)

        attempts = _QUERY_ATTEMPTS if input_type == "query" else None
        dispatcher: Dispatcher[Reply] = Dispatcher(
            self._endpoint.service,
            send,
            lambda reply: reply.billed_tokens,
            meter,
            attempts,
            probe=lambda: self._ask([_PLAIN], input_type),
        )
        for outcome in dispatcher.run(batches):
            some = [places[unique[i]] for i in outcome.batch.places]
            yield self._delivery(outcome, some, input_type)

    def _ask_width(self) -> int:
        def send() -> int:
            return int(decode_floats(self._ask([_PLAIN], "document")[0], 1, None).shape[1])

        return self._endpoint.service.call(send)

    @staticmethod
    def _fitting(most: int, limit: int | None) -> int:
        """Return the largest size of which whole requests fill a limit per minute.

        Of 96 texts a limit of 2,000 takes 20 requests and leaves 4 % unused; of 95 it takes 21.
        """
        if limit is None or limit % most <= limit // 100:
            return most
        return limit // math.ceil(limit / most)

    def _delivery(
        self, outcome: Outcome[Reply], places: list[list[int]], input_type: InputType
    ) -> Delivery:
        """Return an outcome in terms of what was asked, where texts may have been equal."""
        everywhere = [place for group in places for place in group]
        if outcome.answer is None:
            final = isinstance(outcome.error, RejectedError)
            return Delivery(everywhere, failure=str(outcome.error), sent=len(places), final=final)
        reply = outcome.answer
        vectors, codes = normalize(reply.vectors), None
        if self.precision != "float32" and input_type == "document":
            codes = encode(vectors, self.precision)
            vectors = decode(codes, self.precision, self.dim)
        tokens = np.asarray(outcome.batch.tokens, np.int64)
        if len(everywhere) > len(places):
            rows = np.repeat(np.arange(len(places)), [len(group) for group in places])
            vectors, tokens = vectors[rows], tokens[rows]
            codes = None if codes is None else codes[rows]
        embeddings = Embeddings(vectors, tokens, self.max_tokens, codes)
        return Delivery(everywhere, embeddings, sent=len(places), billed_tokens=reply.billed_tokens)

    def _embed(self, texts: list[str], input_type: InputType) -> Embeddings:
        parts: list[Embeddings] = []
        places: list[int] = []
        for delivery in self._deliver(texts, input_type):
            if delivery.embeddings is None:
                error = RejectedError if delivery.final else UnavailableError
                raise error(f"the text at position {delivery.places[0]}: {delivery.failure}")
            parts.append(delivery.embeddings)
            places += delivery.places
        order = np.argsort(np.asarray(places))
        codes: list[Any] = [part.codes for part in parts if part.codes is not None]
        counts = [part.tokens for part in parts if part.tokens is not None]
        return Embeddings(
            np.concatenate([part.vectors for part in parts])[order],
            np.concatenate(counts)[order],
            self.max_tokens,
            np.concatenate(codes)[order] if codes else None,
        )
