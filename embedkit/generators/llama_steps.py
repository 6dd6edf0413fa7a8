"""What a model on llama.cpp chose each token from.

The text is drawn first, as :mod:`embedkit.generators.llama` draws it. Then each of its places is
looked at again: the server tells the log-probabilities of the likeliest tokens there. All of them
would be a few megabytes a place; of the others it is enough to know what they have together, and
that is found from what the likeliest have when nothing is cut.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.errors import EmbeddingError
from embedkit.generators.decoding.steps import Law, step
from embedkit.types.decoding import DecodingStep

if TYPE_CHECKING:
    from embedkit.generators.llama_engine import Engine

KNOWN = 500
"""Tokens that are looked at where they are enough."""
ALL = 2**30
"""More than any vocabulary has: the server gives those that there are."""
_FORCED = 1e6
"""What is added to the logit of a token that is to be drawn whatever the model says."""


class Reader:
    """Looks at the places of a text that was drawn.

    Parameters
    ----------
    engine : Engine
    law : Law
        How the tokens were drawn.
    shown : int
        Tokens that a step shows.
    """

    def __init__(self, engine: Engine, law: Law, shown: int) -> None:
        self._engine = engine
        self._law = law
        self._shown = shown
        self._known = max(KNOWN, shown, law.top_k or 0)
        # Half a character is held back by the server, and what it tells of it with it: what is
        # drawn where we only look is a whole one.
        self._whole = engine.tokenize("a")[-1]

    def step(self, before: Sequence[int], drawn: int) -> DecodingStep:
        """Return the step after some tokens, at which a token was drawn."""
        for known in (self._known, ALL):
            items = self._look(before, known, {"logit_bias": [[self._whole, _FORCED]]})
            ids = [int(item["id"]) for item in items]
            unknown = max(0, self._engine.vocabulary - len(ids))
            rest = self._rest(before, items) if unknown else 0.0
            if drawn not in ids or rest is None:
                continue
            found = step(
                np.array([item["logprob"] for item in items], dtype=np.float64),
                lambda place: self._text(items[place]),  # noqa: B023
                ids.index(drawn),
                self._law,
                shown=self._shown,
                unknown=unknown,
                rest=rest,
            )
            if found.left is not None:
                return found
        raise EmbeddingError(f"llama.cpp drew the token {drawn}, of which it tells nothing")

    def _rest(self, before: Sequence[int], items: Sequence[Mapping[str, Any]]) -> float | None:
        """Return the share of the tokens that are not known, at the temperature of the draw.

        None where the server does not tell.
        """
        heat = self._law.temperature
        if heat == 0:
            return 0.0
        if heat == 1:
            return _beyond(math.exp(item["logprob"]) for item in items)
        # Nothing is cut and any token may come: what the known ones have then is of all tokens.
        free = {"samplers": ["temperature"], "temperature": heat, "post_sampling_probs": True}
        told = self._look(before, len(items), free)
        return _beyond(item["prob"] for item in told) if told else None

    def _look(
        self, before: Sequence[int], known: int, options: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Return the likeliest tokens after some others; none where the server holds them back."""
        request = {"n_predict": 1, "n_probs": known, "cache_prompt": True, **options}
        answer = self._engine.answer({"prompt": list(before), **request})
        places = answer.get("completion_probabilities") or [{}]
        return list(places[0].get("top_probs") or places[0].get("top_logprobs") or ())

    def _text(self, item: Mapping[str, Any]) -> str:
        """Return the text of a token: of markup its name, of half a character its bytes."""
        if not item["bytes"]:
            return self._engine.detokenize([int(item["id"])])
        try:
            return bytes(item["bytes"]).decode()
        except UnicodeDecodeError:
            return "".join(f"<0x{byte:02X}>" for byte in item["bytes"])


def _beyond(shares: Iterable[float]) -> float:
    """Return what others have; within rounding of the server that is never all, nor below 0."""
    return min(max(0.0, 1.0 - math.fsum(shares)), 1.0 - 1e-9)


def decode(
    engine: Engine, request: Mapping[str, Any], stop: Sequence[str], law: Law, shown: int
) -> tuple[str, str, tuple[DecodingStep, ...]]:
    """Draw a text, and return it, why it ends, and what each of its tokens was chosen from.

    Parameters
    ----------
    request : mapping
        What the server is asked for, its ``prompt`` as tokens; one text, no stop sequences.
    stop : sequence of str
        Where the text ends; no step comes after it.
    """
    answer = engine.answer({**request, "return_tokens": True})
    text, tokens = str(answer["content"]), [int(token) for token in answer["tokens"]]
    ends = [place for place in (text.find(one) for one in stop) if place >= 0]
    reason = "length" if answer["stop_type"] == "limit" else "stop"
    if ends:
        text, reason = text[: min(ends)], "stop"
    reader, steps = Reader(engine, law, shown), []
    before: list[int] = list(request["prompt"])
    for number, token in enumerate(tokens):
        if ends and engine.detokenize(tokens[:number]).startswith(text):
            break
        steps.append(reader.step(before, token))
        before.append(token)
    return text, reason, tuple(steps)
