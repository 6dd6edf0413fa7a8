"""Candidates of a generator that fails for some of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedkit.errors import CredentialsError, EmbedkitError
from embedkit.types import Candidate, Message

if TYPE_CHECKING:
    from embedkit.protocols import Generator


@dataclass(frozen=True, slots=True)
class Drawn:
    """What came, and why the rest did not."""

    candidates: tuple[Candidate, ...]
    failures: tuple[str, ...] = ()


def draw(
    generator: Generator,
    prompt: str | Sequence[Message],
    n: int,
    *,
    progress: Callable[[str, int, int], None] | None = None,
    **options: Any,
) -> Drawn:
    """Return n candidates, or those that came one by one where asking for all of them fails."""
    del progress
    try:
        return Drawn(tuple(generator.generate(prompt, n=n, **options)))
    except CredentialsError:
        raise
    except EmbedkitError as error:
        if n == 1:
            raise
        first = error
    found: list[Candidate] = []
    failures: list[str] = []
    for i in range(n):
        asked = {**options, "seed": options["seed"] + i} if "seed" in options else options
        try:
            found += generator.generate(prompt, n=1, **asked)
        except EmbedkitError as error:
            failures.append(str(error))
    if not found:
        raise first
    return Drawn(tuple(found), tuple(failures))
