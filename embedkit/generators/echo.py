"""The reference generator: no model, no network, the same text for the same question.

Its rule, in whole: the words of the last message, with the blanks before them, are its tokens. The
first candidate of seed 0 says them as they stand; any other shuffles them by random numbers that
are seeded with the seed and the candidate's number. A temperature of 0 shuffles nothing. Each token
has the probability of one word among the m that have not been said yet: 1/m.
"""

from __future__ import annotations

import bisect
import math
import random
import re

from embedkit.generators.base import Sampling
from embedkit.generators.decoding.base import DecodingBase
from embedkit.types import Candidate, Message, Token
from embedkit.types.decoding import Decoding

_WORD = re.compile(r"\s*\S+")


class EchoGenerator(DecodingBase):
    """Says the words of the last message again, in an order that the seed decides.

    Tokens are words with the blanks before them. Nothing given for a seed counts as 0, so that all
    that it says can be foretold.
    """

    supports = frozenset({"temperature", "max_tokens", "stop", "seed", "logprobs"})

    @property
    def model_id(self) -> str:
        """Its rule has no parameters."""
        return "echo"

    def _generate(self, messages: list[Message], sampling: Sampling) -> list[Candidate]:
        read = sum(len(_WORD.findall(message.content)) for message in messages)
        words = _WORD.findall(messages[-1].content)
        said = [_order(words, sampling, number)[1] for number in range(sampling.n)]
        return [_candidate(one, read, sampling) for one in said]

    def _decode(self, prompt: str | list[Message], sampling: Sampling, shown: int) -> Decoding:
        import numpy as np

        from embedkit.generators.decoding.steps import Law, step

        asked = prompt if isinstance(prompt, str) else prompt[-1].content
        words = _WORD.findall(asked)
        places, said = _order(words, sampling, 0)
        done = _candidate(said, len(words), sampling)
        law = Law(1.0 if sampling.temperature is None else sampling.temperature)
        # In the order of the text, so that at temperature 0 the first of equals is the next.
        unsaid = sorted(zip(places, said, strict=True))
        steps = []
        for place in places[: done.completion_tokens]:
            at = bisect.bisect_left(unsaid, (place, ""))
            equal = np.full(len(unsaid), -math.log(len(unsaid)))
            steps.append(
                step(equal, [word for _, word in unsaid].__getitem__, at, law, shown=shown)
            )
            del unsaid[at]
        return Decoding(
            self.model_id,
            asked,
            done.text,
            done.finish_reason,
            law.temperature,
            None,
            None,
            sampling.seed or 0,
            tuple(steps),
        )


def _order(words: list[str], sampling: Sampling, number: int) -> tuple[list[int], list[str]]:
    """Return the places of the words in the order in which a candidate says them, and the words."""
    seed = sampling.seed or 0
    places = list(range(len(words)))
    if sampling.temperature == 0 or (seed == 0 and number == 0):
        said = words
    else:
        random.Random(f"{seed} {number}").shuffle(places)  # noqa: S311
        said = [" " + words[place].lstrip() for place in places]
    return places, [said[0].lstrip(), *said[1:]]


def _candidate(words: list[str], read: int, sampling: Sampling) -> Candidate:
    """Cut what is said where a stop sequence comes, and then at so many tokens."""
    text = "".join(words)
    ends = [place for place in (text.find(stop) for stop in sampling.stop) if place >= 0]
    said: list[Token] = []
    left = min(ends, default=len(text))
    for i, word in enumerate(words):
        if left <= 0:
            break
        said.append(Token(word[:left], -math.log(len(words) - i)))
        left -= len(word)
    most = len(said) if sampling.max_tokens is None else sampling.max_tokens
    reason = "length" if len(said) > most else "stop"
    said = said[:most]
    return Candidate("".join(t.text for t in said), reason, read, len(said), tuple(said))
