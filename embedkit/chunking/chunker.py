"""A collection's way of cutting texts: its chunks, measured in its embedder's own tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from embedkit.chunking.spec import ChunkSpec
from embedkit.chunking.split import Span, split
from embedkit.errors import InvalidInputError

if TYPE_CHECKING:
    from embedkit.protocols import Embedder
    from embedkit.types import Keys


class Chunker:
    """Cuts texts into passages that the embedder reads whole.

    Parameters
    ----------
    spec : ChunkSpec
    embedder : Embedder
        Where it says where its tokens begin (``token_offsets``), these are counted; otherwise they
        are estimated, as they are for managed models.

    Raises
    ------
    InvalidInputError
        A chunk has more tokens than the model reads, or so few that nothing new fits into one
        beside the overlap and the tokens that stand around every text.
    """

    def __init__(self, spec: ChunkSpec, embedder: Embedder) -> None:
        self.spec = spec
        reader: Any = getattr(embedder, "inner", embedder)  # without the cache before it
        most: int | None = getattr(reader, "max_tokens", None)
        self._special: int = getattr(reader, "special_tokens", 0)
        self._offsets: Any = getattr(reader, "token_offsets", estimated_offsets)
        if most is not None and spec.tokens > most:
            raise InvalidInputError(
                f"expected chunks of at most {most} tokens, which is what {reader.model_id} reads "
                f"of a text, got tokens={spec.tokens}",
                do=f"use tokens={most} or less",
            )
        self.budget = spec.tokens - self._special
        if self.budget <= spec.overlap:
            raise InvalidInputError(
                f"expected chunks of more than {spec.overlap + self._special} tokens: the overlap "
                f"of {spec.overlap}, and {self._special} that {reader.model_id} puts around every "
                f"text; got tokens={spec.tokens}",
                do="use larger chunks or a smaller overlap",
            )

    def split(self, texts: Sequence[str]) -> list[list[Span]]:
        """Return the passages of each text, in order; see :func:`embedkit.chunking.split.split`.

        Their tokens include those that stand around every text.
        """
        found = []
        for text, starts in zip(texts, self._offsets(texts), strict=True):
            spans = split(text, starts, self.budget, self.spec.overlap, self._count)
            found.append([Span(a, b, tokens + self._special) for a, b, tokens in spans])
        return found

    def _count(self, text: str) -> int:
        offsets: list[Keys] = self._offsets([text])
        return len(offsets[0])


def estimated_offsets(texts: Sequence[str]) -> list[Keys]:
    """Return where each token of each text begins, about; see :mod:`embedkit.managed.tokens`."""
    from embedkit.managed.tokens import estimate_offsets

    return [estimate_offsets(text) for text in texts]
