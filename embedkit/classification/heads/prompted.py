"""A generator decides, shown the label of training texts that are near to the one in question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from embedkit import registry
from embedkit.classification.heads.base import BaseHead
from embedkit.classification.heads.prompts import answer_tokens, conversation
from embedkit.classification.inputs import Inputs
from embedkit.classification.state import State
from embedkit.errors import CredentialsError, EmbedkitError, InvalidInputError, QuotaError
from embedkit.indexes.exact import top_k
from embedkit.managed.addresses import refuse_foreign
from embedkit.prompts.choices import Choices
from embedkit.prompts.selection import POOL, spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.protocols import Generator
    from embedkit.types import Candidate, Keys, Message, Vectors

MOST_ROWS = 2000
"""Rows to learn from: cross-validation asks about each of them."""
AT_ONCE = 8
"""Texts asked about at a time; the generator keeps to its own limits."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A text that the generator gave no label.

    Attributes
    ----------
    place : int
        Which of the texts that were scored together.
    reason : str
    """

    place: int
    reason: str


class PromptedHead(BaseHead):
    """Asks a generator for one of the labels.

    The prompt lists the labels and shows some of the nearest training rows, chosen to differ from
    each other. An answer that is no label counts for none: where all of a text's answers are such,
    or the generator fails on it, all classes score alike, the text is listed in ``unanswered``, and
    the rest goes on. Every text costs one request a candidate, and training asks about each row
    once, to know how often it is right.

    Parameters
    ----------
    generator : str
        A spec such as ``openai:gpt-4o-mini``.
    examples : int
        Training rows shown, at most.
    tokens : int
        Of a prompt, by estimate; examples beyond are left out.
    n : int
        Candidates that vote; more than one are drawn at ``temperature``.
    temperature : float
    diversity : float
        From 0, the nearest rows, to 1, those that differ most.
    instructions : str
        What the generator is told before the labels, in place of a general line.
    base_url : str, optional
        Of the generator, where it has one.

    Source
    ------
    Examples by nearness: Liu et al., "What makes good in-context examples for GPT-3?", 2022; votes:
    Wang et al., "Self-consistency improves chain of thought reasoning in language models", 2023.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"vectors", "texts"})

    def __init__(
        self,
        generator: str,
        *,
        examples: int = 8,
        tokens: int = 1500,
        n: int = 1,
        temperature: float = 0.7,
        diversity: float = 0.3,
        instructions: str = "",
        base_url: str | None = None,
    ) -> None:
        super().__init__()
        _check(examples=(examples, 0), tokens=(tokens, 1), n=(n, 1))
        if not 0 <= diversity <= 1:
            raise InvalidInputError(f"prompted: expected diversity from 0 to 1, got {diversity}")
        self.generator = generator if base_url is None else f"{generator}?base_url={base_url}"
        self.examples, self.tokens, self.n = examples, tokens, n
        self.temperature, self.diversity = temperature, diversity
        self.instructions = instructions
        self.unanswered: list[Unanswered] = []
        """Texts of the last scoring that got no label."""
        self._names: list[str] = []
        self._texts: list[str] = []
        self._vectors: Vectors = np.empty((0, 0), np.float32)
        self._targets: Keys = np.empty(0, np.int64)
        self._opened: Generator | None = None
        self._trusted = True
        self._tells_logprobs = True

    def _fit(
        self, inputs: Inputs, targets: Keys, weights: NDArray[np.float64] | None, seed: int
    ) -> None:
        if inputs.names is None or len(inputs.names) != self.n_classes:
            raise InvalidInputError(
                "prompted: expected one label a text, and the names of the labels",
                do="use another head for several or ordered labels",
            )
        if len(inputs) > MOST_ROWS:
            raise InvalidInputError(
                f"prompted: expected at most {MOST_ROWS:,} rows, each of which is asked about once "
                f"to test it, got {len(inputs):,}",
                do="train on some of them, or use another head",
            )
        self._names, self._texts = list(inputs.names), list(inputs.texts)
        self._vectors, self._targets = inputs.vectors, targets
        self._open()

    def check_trusted(self) -> None:
        """Refuse to send a key to an address that only a file names.

        Raises
        ------
        CredentialsError
        """
        if not self._trusted:
            refuse_foreign(self.generator, "prompted", kind="head")

    def _open(self) -> Generator:
        if self._opened is None:
            self.check_trusted()
            made: Generator = registry.create("generator", self.generator)
            self._opened = made
        return self._opened

    def _scores(self, inputs: Inputs) -> NDArray[np.float64]:
        generator, answers = self._open(), Choices(self._names)
        near = self._near(inputs)

        def ask(place: int) -> NDArray[np.float64] | EmbedkitError:
            try:
                said = self._ask(generator, self._prompt(inputs.texts[place], near[place]))
            except (CredentialsError, QuotaError):
                raise
            except EmbedkitError as error:
                return error
            return self._votes(said, answers)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = list(pool.map(ask, range(len(inputs))))
        return self._told(found)

    def _told(self, found: Sequence[NDArray[np.float64] | EmbedkitError]) -> NDArray[np.float64]:
        """Return scores out of votes, and keep why some have none."""
        failed = [each for each in found if isinstance(each, EmbedkitError)]
        if failed and len(failed) == len(found):
            raise failed[0]
        votes = np.zeros((len(found), self.n_classes))
        self.unanswered = []
        for place, each in enumerate(found):
            if isinstance(each, EmbedkitError):
                self.unanswered.append(Unanswered(place, str(each)))
            elif not each.any():
                self.unanswered.append(Unanswered(place, "its answer is none of the labels"))
            else:
                votes[place] = each
        # One vote more, and what is missing to all n, is split evenly: nothing is impossible.
        spare = (self.n + 1 - votes.sum(axis=1, keepdims=True)) / self.n_classes
        logs: NDArray[np.float64] = np.log((votes + spare) / (self.n + 1))
        return logs

    def _near(self, inputs: Inputs) -> Keys:
        """Return near training rows of each text, the best first, shape (n, at most ``POOL``)."""
        return top_k(inputs.vectors, self._vectors, max(1, POOL * self.examples))[0]

    def _prompt(self, text: str, near: Keys) -> list[Message]:
        chosen: list[tuple[str, str]] = []
        for i in spread(self._vectors[near], self.examples, self.diversity):
            row = int(near[i])
            chosen.append((self._texts[row], self._names[int(self._targets[row])]))
        return conversation(
            text, self._names, chosen, instructions=self.instructions, tokens=self.tokens
        )

    def _ask(self, generator: Generator, prompt: list[Message]) -> list[Candidate]:
        wanted: dict[str, Any] = {
            "temperature": self.temperature if self.n > 1 else 0.0,
            "max_tokens": answer_tokens(self._names),
            "seed": 0,
            "logprobs": self._tells_logprobs,
        }
        options = {name: v for name, v in wanted.items() if name in generator.supports}
        try:
            return generator.generate(prompt, n=self.n, **options)
        except NotImplementedError:  # the service does not tell them, whatever its protocol says
            if not options.pop("logprobs", False):
                raise
            self._tells_logprobs = False
            return generator.generate(prompt, n=self.n, **options)

    def _votes(self, said: list[Candidate], answers: Choices) -> NDArray[np.float64]:
        """Return how many candidates are each label, each by how probable the model found it."""
        votes = np.zeros(self.n_classes)
        for candidate in said:
            place = answers.place(candidate.text)
            if place is not None:
                logs = [token.logprob for token in candidate.tokens or ()]
                votes[place] += math.exp(min(0.0, sum(logs)))
        return votes

    def _state(self) -> State:
        facts = {
            "names": self._names,
            "texts": self._texts,
        }
        return State(facts, {"vectors": self._vectors, "targets": self._targets})

    def _restore(self, state: State) -> None:
        self._names, self._texts = list(state.facts["names"]), list(state.facts["texts"])
        self._vectors, self._targets = state.arrays["vectors"], state.arrays["targets"]
        # The address may be that of whoever made the file: no key goes there unasked.
        self._opened, self._trusted = None, False


def _check(**numbers: tuple[int, int]) -> None:
    for name, (given, least) in numbers.items():
        if given < least:
            raise InvalidInputError(f"prompted: expected {name} of at least {least}, got {given}")
