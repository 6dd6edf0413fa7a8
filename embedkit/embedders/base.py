"""What every embedder shares: its input is checked before the model, its output after it.

An author of a backend writes ``_embed``, ``model_id`` and ``dim``; a model that takes time to load
goes into a :class:`Lazy`, so that building an embedder costs nothing.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from embedkit.errors import DimensionMismatchError, InvalidInputError
from embedkit.quantized import check_codes, encode, precision_of
from embedkit.types import Embeddings, InputType, Precision
from embedkit.validate import check_input_type, check_texts, check_vectors

if TYPE_CHECKING:
    from embedkit.protocols import Embedder
    from embedkit.types import Codes, Keys, Vectors

T = TypeVar("T")


class Lazy(Generic[T]):
    """A value made on first use, once, whichever thread asks first."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: list[T] = []

    @property
    def ready(self) -> bool:
        """Whether the value was made already."""
        return bool(self._made)

    def get(self) -> T:
        """Return the value. Where making it fails, the next caller tries again."""
        if not self._made:
            with self._lock:
                if not self._made:
                    self._made.append(self._make())
        return self._made[0]


class BaseEmbedder(ABC):
    """An embedder whose public methods check, and whose ``_embed`` computes."""

    @property
    @abstractmethod
    def model_id(self) -> str:
        """Name the model so exactly that equal names mean equal vectors."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """Width of the vectors."""

    @property
    def precision(self) -> Precision:
        """How documents are delivered: other than float32, ``_embed`` returns their codes too."""
        return "float32"

    @property
    def max_tokens(self) -> int | None:
        """What the model reads of one text, in tokens; None where no limit is known."""
        return None

    @property
    def special_tokens(self) -> int:
        """Tokens that the model puts around every text."""
        return 0

    def tells_apart(self, input_type: InputType) -> bool:
        """Whether texts of this type may have other vectors than documents."""
        return input_type != "document"

    def token_offsets(self, texts: Sequence[str]) -> list[Keys]:
        """Return where each token of each text begins, in characters, ascending.

        Those that stand around every text are not among them. An embedder that does not know its
        tokens estimates them.
        """
        from embedkit.managed.tokens import estimate_offsets

        return [estimate_offsets(text) for text in texts]

    @abstractmethod
    def _embed(self, texts: list[str], input_type: InputType) -> Embeddings:
        """Embed at least one text. Vectors of length 1, in the order of the texts."""

    def embed(self, texts: Sequence[str], *, input_type: InputType = "document") -> Vectors:
        """Return the vectors of texts.

        Parameters
        ----------
        texts : sequence of str
            Any length; an empty list gives shape (0, dim).
        input_type : {"document", "query", "classification", "clustering"}
            What the texts are. Models that make no difference ignore it.

        Returns
        -------
        float32 array, shape (n, dim)
            L2-normalised, C-contiguous, in the order of the texts.

        Raises
        ------
        InvalidInputError
            A bare string, something that is not text, text that is not Unicode, or an unknown
            input type.
        WeightsError
            The model's weights cannot be had.
        """
        return self.embed_batch(texts, input_type=input_type).vectors

    def embed_batch(
        self, texts: Sequence[str], *, input_type: InputType = "document"
    ) -> Embeddings:
        """Return the vectors of texts, their tokens, and how many of those the model reads."""
        listed = check_unicode(check_texts(texts))
        kind = check_input_type(input_type)
        if not listed:
            none = np.empty((0, self.dim), np.float32)
            codes = None if self.precision == "float32" else encode(none, self.precision)
            return Embeddings(none, np.empty(0, np.int64), codes=codes)
        return self._checked(self._embed(listed, kind), len(listed), kind)

    def _checked(self, result: Embeddings, n: int, kind: InputType) -> Embeddings:
        vectors = check_vectors(result.vectors, self.dim, what=f"vectors from {self.model_id}")
        if len(vectors) != n:
            raise DimensionMismatchError(
                f"expected {n} vectors from {self.model_id}, one a text, got {len(vectors)}"
            )
        if result.tokens is not None and result.tokens.shape != (n,):
            raise DimensionMismatchError(
                f"expected {n} token counts from {self.model_id}, got shape {result.tokens.shape}"
            )
        codes = checked_codes(self, result, n, kind)
        return Embeddings(vectors, result.tokens, result.max_tokens, codes)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.model_id}>"


def checked_codes(embedder: Any, result: Embeddings, n: int, kind: InputType) -> Codes | None:
    """Return the codes of what an embedder returned for n texts, None where vectors are float32.

    Raises
    ------
    DimensionMismatchError
        Documents came without codes, or codes are not what the embedder's precision says.
    """
    precision = precision_of(embedder)
    if precision == "float32" or (result.codes is None and kind != "document"):
        return None
    what = f"codes from {embedder.model_id}"
    codes: Codes = check_codes(result.codes, precision, embedder.dim, n, what=what)
    return codes


def check_unicode(texts: list[str]) -> list[str]:
    """Refuse texts that hold half of a surrogate pair: no tokenizer and no file takes them."""
    for i, text in enumerate(texts):
        if text.isascii():
            continue
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidInputError(
                f"expected Unicode text, got a lone surrogate (U+{ord(text[error.start]):04X}) "
                f"at character {error.start} of the text at position {i}",
                do="read the source with its right encoding, or replace that character",
            ) from error
    return texts


def tells_apart(embedder: Embedder, input_type: InputType) -> bool:
    """Whether texts of a type may have other vectors than documents.

    An embedder says so itself (``tells_apart``); of one that does not, it has to be reckoned with.
    """
    asked = getattr(embedder, "tells_apart", None)
    return input_type != "document" if asked is None else bool(asked(input_type))
