"""Show how a generator chooses its tokens, or say that it cannot."""

from __future__ import annotations

from collections.abc import Sequence

from embedkit.errors import UnsupportedOperationError
from embedkit.generators.decoding.base import SHOWN
from embedkit.protocols import DecodingGenerator, Generator
from embedkit.types import Message
from embedkit.types.decoding import Decoding


def show_decoding(
    prompt: str | Sequence[Message],
    generator: str | Generator = "smollm",
    *,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    max_tokens: int | None = None,
    stop: Sequence[str] = (),
    seed: int | None = None,
    shown: int = SHOWN,
) -> Decoding:
    """Generate a text and show what each of its tokens was chosen from.

    Temperature, top-k and top-p are applied in this order.

    Parameters
    ----------
    prompt : str or sequence of Message
    generator : str or Generator
        A spec, such as ``"smollm"``, or a generator; one that runs on this machine.
    temperature, top_k, top_p, stop, seed
        As of ``generate``.
    max_tokens : int, optional
        Tokens, and so steps, at most; 24 where it is not given.
    shown : int
        How many of the likeliest tokens of each step are shown.

    Returns
    -------
    Decoding
        A notebook shows it as a picture; ``to_html()`` and ``to_dict()`` give it to others.

    Raises
    ------
    UnsupportedOperationError
        The generator does not tell what it chooses from, or not honour a parameter.
    InvalidInputError, UnknownBackendError, MissingDependencyError

    Examples
    --------
    >>> found = embedkit.show_decoding("to be or not", "echo", max_tokens=1)
    >>> found.steps[0].drawn.text, found.steps[0].drawn.probability
    ('to', 0.25)
    """
    if isinstance(generator, str):
        from embedkit.api import generator as named

        generator = named(generator)
    return able(generator).decode(
        prompt,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        max_tokens=max_tokens,
        stop=stop,
        seed=seed,
        shown=shown,
    )


def able(generator: Generator) -> DecodingGenerator:
    """Return a generator that shows its decoding, or refuse it."""
    if isinstance(generator, DecodingGenerator):
        return generator
    raise UnsupportedOperationError(
        f"{generator.model_id} does not tell which tokens it chooses from",
        do="take a generator that runs on this machine, such as smollm",
    )
