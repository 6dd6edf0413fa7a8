"""A batch that fails as a whole, halved until the bad texts stand alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from embedkit.errors import CredentialsError, EmbeddingError, InvalidInputError, ProviderError
from embedkit.protocols import Embedder
from embedkit.types import Delivery, Embeddings, InputType


def halved(
    embedder: Embedder,
    texts: Sequence[str],
    input_type: InputType,
    check: Callable[[Embeddings, int], object] = lambda embeddings, n: None,
    first: int = 0,
) -> Iterator[Delivery]:
    """Yield what became of texts given to an embedder that answers for a batch as a whole.

    Parameters
    ----------
    check : callable
        Raises InvalidInputError where an answer for n texts is not sound.
    first : int
        Place of the first of the texts.

    Raises
    ------
    CredentialsError
        No text could do better. Whatever else is not about the texts is raised too.
    """
    try:
        result = embedder.embed_batch(texts, input_type=input_type)
        check(result, len(texts))
    except CredentialsError:
        raise
    except (InvalidInputError, EmbeddingError, ProviderError) as error:
        if len(texts) == 1:
            yield Delivery([first], failure=str(error), sent=1, final=False)
            return
    else:
        yield Delivery(range(first, first + len(texts)), result, sent=len(texts))
        return
    half = len(texts) // 2
    yield from halved(embedder, texts[:half], input_type, check, first)
    yield from halved(embedder, texts[half:], input_type, check, first + half)
