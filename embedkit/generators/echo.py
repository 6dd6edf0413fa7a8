"""The reference generator: no model, no network, the same text for the same question.

Its rule, in whole: the words of the last message, with the blanks before them, are its tokens. The
first candidate of seed 0 says them as they stand; any other shuffles them by random numbers that
are seeded with the seed and the candidate's number. A temperature of 0 shuffles nothing. Each token
has the probability of one word among the m that have not been said yet: 1/m.
"""

from __future__ import annotations

import math
import random
import re

from embedkit.generators.base import BaseGenerator, Sampling
from embedkit.types import Candidate, Message, Token

_WORD = re.compile(r"\s*\S+")


class EchoGenerator(BaseGenerator):
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
        return [_candidate(_order(words, sampling, i), read, sampling) for i in range(sampling.n)]


def _order(words: list[str], sampling: Sampling, number: int) -> list[str]:
    """Return the words in the order in which a candidate says them."""
    seed = sampling.seed or 0
    if sampling.temperature == 0 or (seed == 0 and number == 0):
        return words
    order = [" " + word.lstrip() for word in words]
    random.Random(f"{seed} {number}").shuffle(order)  # noqa: S311
    return order


def _candidate(words: list[str], read: int, sampling: Sampling) -> Candidate:
    """Cut what is said where a stop sequence comes, and then at so many tokens."""
    words = [words[0].lstrip(), *words[1:]]
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
