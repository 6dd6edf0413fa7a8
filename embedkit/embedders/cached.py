"""Any embedder with the vector cache of a home before it: no text is sent twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.caching import Space, VectorCache
from embedkit.embedders.base import check_unicode, tells_apart
from embedkit.embedders.halving import halved
from embedkit.errors import DimensionMismatchError, RejectedError, UnavailableError
from embedkit.protocols import Embedder
from embedkit.quantized import decode, encode
from embedkit.store.vectors import content_key
from embedkit.types import Delivery, Embeddings, InputType, Precision
from embedkit.validate import check_input_type, check_texts, check_vectors, is_unicode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.managed.budget import Meter
    from embedkit.types import Vectors

_LOOKED_UP = 4096
"""Texts that are looked up, and handed over, together."""


class CachedEmbedder:
    """Answers from the cache what it can, and keeps what the embedder behind it delivers.

    Equal texts are sent once. What is delivered is in the cache before anybody else sees it, so
    that neither a crash nor an error after it costs the same text again.

    Parameters
    ----------
    inner : Embedder
        Asked for what the cache has not; where it streams, each delivery is kept as it arrives.
    cache : VectorCache

    Notes
    -----
    The cache does not keep tokens: where a vector comes from it, ``Embeddings.tokens`` is None.
    """

    def __init__(self, inner: Embedder, cache: VectorCache) -> None:
        self.inner = inner
        self.cache = cache

    @property
    def model_id(self) -> str:
        """The name of the model behind the cache."""
        return self.inner.model_id

    @property
    def dim(self) -> int:
        """Width of the vectors; asked of the embedder behind where nothing here tells it."""
        return self._known_dim() or self.inner.dim

    def tells_apart(self, input_type: InputType) -> bool:
        """Whether texts of this type may have other vectors than documents."""
        return tells_apart(self.inner, input_type)

    def learn_dim(self, dim: int) -> None:
        """Tell the embedder behind how wide its vectors are, if it has to ask."""
        if getattr(self.inner, "known_dim", dim) is None:
            learner: Any = self.inner
            learner.learn_dim(dim)

    def _known_dim(self) -> int | None:
        if not hasattr(self.inner, "known_dim"):
            return self.inner.dim
        if self.inner.known_dim is None:
            for space in self.cache.info(model=self.model_id).spaces:
                if space.model_id == self.model_id:
                    self.learn_dim(space.dim)
        known: int | None = self.inner.known_dim
        return known

    @property
    def precision(self) -> Precision:
        """What the vectors are delivered and kept in."""
        precision: Precision = getattr(self.inner, "precision", "float32")
        return precision

    def embed(self, texts: Sequence[str], *, input_type: InputType = "document") -> Vectors:
        """Return the vectors of texts, shape (n, dim), as the embedder behind would."""
        return self.embed_batch(texts, input_type=input_type).vectors

    def embed_batch(
        self, texts: Sequence[str], *, input_type: InputType = "document"
    ) -> Embeddings:
        """Return the vectors of texts and what is known of each.

        Raises
        ------
        RejectedError, UnavailableError
            A text that a streaming embedder could not do. All others are in the cache by then.
        EmbedkitError
            Whatever else the embedder behind raises.
        """
        listed = check_unicode(check_texts(texts))
        kind = check_input_type(input_type)
        whole = _Whole(len(listed), self.dim)
        failed: Delivery | None = None
        # It goes on after a failure: what is under way is paid for, and kept for the next time.
        for delivery in self._deliver(listed, kind, None, apart=False):
            if delivery.embeddings is None:
                failed = failed or delivery
            else:
                whole.take(delivery.places, delivery.embeddings)
        if failed is not None:
            error = RejectedError if failed.final else UnavailableError
            raise error(failed.failure or f"{self.model_id} failed on a text")
        return whole.embeddings()

    def embed_stream(
        self,
        texts: Sequence[str],
        *,
        input_type: InputType = "document",
        meter: Meter | None = None,
    ) -> Iterator[Delivery]:
        """Yield what is in the cache, then what the embedder behind delivers, as it arrives.

        Parameters
        ----------
        meter : Meter or None
            What may be spent.

        Raises
        ------
        ProviderError
            What no other text could do better. Everything that had arrived was kept and yielded.
        BudgetReached
            The meter allows no more.
        """
        return self._deliver(check_texts(texts), check_input_type(input_type), meter, apart=True)

    def cached_contents(self, input_type: InputType = "document") -> NDArray[np.void]:
        """Return the content keys of all texts whose vectors are in the cache, 16 bytes each."""
        if self._known_dim() is None:
            return np.empty(0, "V16")  # nothing of this model is there, and asking would cost
        return np.concatenate([self.cache.contents(space) for space in self._spaces(input_type)])

    def keep(self, texts: Sequence[str], vectors: Vectors, *, input_type: InputType) -> None:
        """Keep vectors that this embedder made of texts and that came from elsewhere.

        Parameters
        ----------
        vectors : float32 array, shape (n, dim)
        """
        (space,) = self._spaces(input_type)[-1:]
        self.cache.put(space, [content_key(text) for text in texts], vectors)

    def check_access(self) -> None:
        """Refuse what the embedder behind refuses before any work is done.

        Raises
        ------
        CredentialsError
        """
        check = getattr(self.inner, "check_access", None)
        if check is not None:
            check()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.model_id}>"

    def _spaces(self, kind: InputType) -> list[Space]:
        """Return where vectors of a kind of text are kept, and where others are that serve as well.

        Only documents are quantised, and what was paid for in full need not be paid for again to be
        kept smaller.
        """
        whole = Space(getattr(self.inner, "full_id", self.model_id), kind, self.dim)
        if kind != "document" or self.precision == "float32":
            return [whole]
        return [Space(self.model_id, kind, self.dim, self.precision), whole]

    def _deliver(
        self, texts: list[str], kind: InputType, meter: Meter | None, *, apart: bool
    ) -> Iterator[Delivery]:
        places: dict[str, list[int]] = {}
        for place, text in enumerate(texts):
            places.setdefault(text, []).append(place)
        missing = list(places)
        spaces = self._spaces(kind)
        for space in spaces:
            tried, missing = missing, []
            for start in range(0, len(tried), _LOOKED_UP):
                some = tried[start : start + _LOOKED_UP]
                hits, embeddings = self._look_up(space, some, kind)
                if embeddings is not None:
                    yield _spread(embeddings, [places[text] for text in hits])
                known = set(hits)
                missing += [text for text in some if text not in known]
        if missing:
            for delivery in self._send(missing, kind, meter, apart=apart):
                yield from self._kept(spaces[0], missing, places, delivery)

    def _look_up(
        self, space: Space, texts: list[str], kind: InputType
    ) -> tuple[list[str], Embeddings | None]:
        """Return which of the texts a space has, and their vectors, None where it has none."""
        keyed = [text for text in texts if is_unicode(text)]
        found, rows = self.cache.get(space, [content_key(text) for text in keyed])
        hits = [keyed[i] for i in found.tolist()]
        if not hits:
            return hits, None
        stored: Any = rows
        precision = self.precision if kind == "document" else "float32"
        if precision == "float32":
            return hits, Embeddings(stored)
        codes = encode(stored, precision) if space.precision == "float32" else stored
        return hits, Embeddings(decode(codes, precision, space.dim), codes=codes)

    def _send(
        self, texts: list[str], kind: InputType, meter: Meter | None, *, apart: bool
    ) -> Iterator[Delivery]:
        stream = getattr(self.inner, "embed_stream", None)
        if stream is not None:
            yield from stream(texts, input_type=kind, meter=meter)
        elif apart:
            yield from halved(self.inner, texts, kind)
        else:
            result = self.inner.embed_batch(texts, input_type=kind)
            yield Delivery(range(len(texts)), result, sent=len(texts))

    def _kept(
        self, space: Space, texts: list[str], places: dict[str, list[int]], delivery: Delivery
    ) -> Iterator[Delivery]:
        """Keep what was delivered for some texts, and say it of every place of each."""
        some = [texts[place] for place in delivery.places]
        paid: dict[str, Any] = {"sent": delivery.sent, "billed_tokens": delivery.billed_tokens}
        if delivery.embeddings is None:
            for place in (place for text in some for place in places[text]):
                yield Delivery([place], failure=delivery.failure, final=delivery.final, **paid)
                paid = {}
            return
        result, rows = _checked(self.inner, space, delivery.embeddings, len(some))
        if rows is not None:
            self.cache.put(space, [content_key(text) for text in some], rows)
        yield _spread(result, [places[text] for text in some], **paid)


class _Whole:
    """Puts together what was delivered in any order."""

    def __init__(self, n: int, dim: int) -> None:
        self._n = n
        self._vectors = np.empty((n, dim), np.float32)
        self._codes: NDArray[Any] | None = None
        self._tokens = np.zeros(n, np.int64)
        self._counted = 0
        self._max_tokens: int | None = None

    def take(self, places: Sequence[int], part: Embeddings) -> None:
        """Take in one delivery."""
        at = np.asarray(places, np.int64)
        self._vectors[at] = part.vectors
        if part.codes is not None:
            if self._codes is None:
                self._codes = np.empty((self._n, part.codes.shape[1]), part.codes.dtype)
            self._codes[at] = part.codes
        if part.tokens is not None:
            self._tokens[at] = part.tokens
            self._counted += len(at)
        if part.max_tokens is not None:
            self._max_tokens = part.max_tokens

    def embeddings(self) -> Embeddings:
        """Return it all; tokens where they are known of every text."""
        tokens = self._tokens if self._counted == self._n else None
        return Embeddings(self._vectors, tokens, self._max_tokens, self._codes)


def _spread(result: Embeddings, places: list[list[int]], **paid: Any) -> Delivery:
    """Say of every place of a text what was delivered once."""
    everywhere = [place for listed in places for place in listed]
    if len(everywhere) == len(places):
        return Delivery(everywhere, result, **paid)
    source = np.repeat(np.arange(len(places)), [len(listed) for listed in places])
    return Delivery(
        everywhere,
        Embeddings(
            result.vectors[source],
            None if result.tokens is None else result.tokens[source],
            result.max_tokens,
            None if result.codes is None else result.codes[source],
        ),
        **paid,
    )


def _checked(
    inner: Embedder, space: Space, result: Embeddings, n: int
) -> tuple[Embeddings, NDArray[Any] | None]:
    """Refuse what is not one sound vector a text; return also the rows to keep, if there are."""
    what = f"from {inner.model_id}"
    vectors = check_vectors(result.vectors, space.dim, what=f"vectors {what}")
    if len(vectors) != n:
        raise DimensionMismatchError(f"expected {n} vectors {what}, one a text, got {len(vectors)}")
    codes = result.codes
    if space.precision == "float32":
        return Embeddings(vectors, result.tokens, result.max_tokens, codes), vectors
    if codes is not None and (codes.shape != (n, space.columns) or codes.dtype != space.dtype):
        raise DimensionMismatchError(
            f"expected codes {what} of shape {(n, space.columns)} and type {space.dtype}, "
            f"got {codes.shape} and {codes.dtype.str}"
        )
    return Embeddings(vectors, result.tokens, result.max_tokens, codes), codes
