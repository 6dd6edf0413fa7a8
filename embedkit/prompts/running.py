"""A template over many inputs: one answer an input, in order, checked, and never paid for twice."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from embedkit.errors import (
    CredentialsError,
    EmbedkitError,
    InvalidInputError,
    QuotaError,
    StorageError,
    UnavailableError,
    UnsupportedOperationError,
)
from embedkit.prompts.ledger import AnswerLedger, answer_key
from embedkit.prompts.template import PromptTemplate, Rendered

if TYPE_CHECKING:
    from embedkit.ingest.stage import Progress
    from embedkit.protocols import Generator
    from embedkit.types import Candidate

AHEAD = 4
"""Inputs under way or done ahead for each request at a time: a slow one seldom holds others up."""
OUTAGE = 3
"""Inputs in a row for which the service cannot be reached, after which it is down."""
_FATAL = (CredentialsError, QuotaError, StorageError, UnsupportedOperationError)
"""What no other input could do better."""

Shots = Callable[[PromptTemplate, Mapping[str, Any]], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Input:
    """One row: where it begins, and its values; ``reason`` says why it has none."""

    line: int
    values: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of one input.

    Attributes
    ----------
    line : int
        Where the input begins.
    text : str
        What the generator said last; empty where it was not asked, or failed.
    value : JSON value
        The answer as its check reads it; None where it does not pass.
    reason : str
        Why there is no answer that passes; empty where there is one.
    attempts : int
        Answers that were looked at: more than one where the first did not pass.
    asked : int
        How many of them were asked for now; the others were kept from before.
    prompt_tokens, completion_tokens : int
        Of all of them, as far as the generator tells.
    """

    line: int
    text: str = ""
    value: Any = None
    reason: str = ""
    attempts: int = 0
    asked: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def passed(self) -> bool:
        """Whether there is an answer that passes."""
        return not self.reason


class Runner:
    """Asks a generator with a template.

    Parameters
    ----------
    template : PromptTemplate
    generator : Generator
    ledger : AnswerLedger or None
        What was answered before is taken from it, and what is answered goes into it.
    parameters : mapping, optional
        In place of the template's own, such as ``temperature``; None leaves one to the model.
    shots : callable, optional
        Chooses the examples for an input; without it the template's own are shown.
    seed : int
    retries : int
        How often an input is asked again, with another seed, when its answer does not pass.
    anew : bool
        Ask again what was answered before.
    """

    def __init__(
        self,
        template: PromptTemplate,
        generator: Generator,
        *,
        ledger: AnswerLedger | None = None,
        parameters: Mapping[str, Any] | None = None,
        shots: Shots | None = None,
        seed: int = 0,
        retries: int = 0,
        anew: bool = False,
    ) -> None:
        if retries < 0:
            raise InvalidInputError(f"expected retries of at least 0, got {retries}")
        self.template = template
        self.generator = generator
        self._ledger = ledger
        self._given = dict(parameters or {})
        self._shots = shots
        self._seed, self._retries, self._anew = seed, retries, anew
        self._answers_as = str(getattr(generator, "answers_as", generator.model_id))
        self._flying: dict[str, Future[Candidate]] = {}
        self._lock = threading.Lock()

    def render(self, values: Mapping[str, Any]) -> Rendered:
        """Return what the generator is sent for an input.

        Raises
        ------
        InvalidInputError, TemplateError
        """
        examples = self._shots(self.template, values) if self._shots is not None else None
        return self.template.render(examples, **values)

    def run(
        self, inputs: Iterable[Input], *, total: int = 0, progress: Progress | None = None
    ) -> Iterator[Answered]:
        """Yield what became of each input, in their order.

        Raises
        ------
        CredentialsError, QuotaError
            No other input could do better. What was answered is kept.
        UnavailableError
            The service could not be reached for several inputs in a row.
        UnsupportedOperationError
            A parameter that the generator does not honour.
        StorageError
            An answer cannot be kept.
        """
        # One that runs elsewhere says how much it takes at a time; one that runs here is busy.
        workers: int = getattr(self.generator, "at_once", 1)
        waiting: deque[Future[Answered]] = deque()
        down = done = 0
        pool = ThreadPoolExecutor(workers, thread_name_prefix="embedkit-prompt")
        try:
            for each in _or_end(inputs):
                if each is not None:
                    waiting.append(pool.submit(self.answer, each))
                while waiting and (each is None or len(waiting) > workers * AHEAD):
                    down, found = self._settled(waiting.popleft(), down)
                    done += 1
                    if progress is not None:
                        progress("asking", done, total)
                    yield found
        finally:
            # What is under way is waited for: it is paid for, and goes into the ledger.
            pool.shutdown(wait=True, cancel_futures=True)

    def _settled(self, future: Future[Answered], down: int) -> tuple[int, Answered]:
        try:
            found = future.result()
        except _DownError as error:
            if down + 1 >= OUTAGE:
                raise error.cause from None
            return down + 1, error.found
        return 0, found

    def answer_alone(self, given: Input) -> Answered:
        """Answer one input where there are no others: a service that is down is an error.

        Raises
        ------
        EmbedkitError
        """
        try:
            return self.answer(given)
        except _DownError as error:
            raise error.cause from None

    def answer(self, given: Input) -> Answered:
        """Answer one input; what is wrong with it is said in the result."""
        if given.reason:
            return Answered(given.line, reason=given.reason)
        for variable in self.template.inputs:
            value = given.values.get(variable.name)
            if variable.required and isinstance(value, str) and not value.strip():
                return Answered(given.line, reason=f"there is nothing in {variable.name!r}")
        try:
            rendered = self.render(given.values)
        except EmbedkitError as error:
            if isinstance(error, _FATAL):
                raise
            return Answered(given.line, reason=str(error))
        text = reason = ""
        read = written = asked = 0
        for attempt in range(self._retries + 1):
            try:
                candidate, new = self._ask(rendered, attempt)
            except _FATAL:
                raise
            except EmbedkitError as error:
                reason = f"the generator failed: {error}"
                failed = Answered(given.line, text, None, reason, attempt + 1, asked, read, written)
                if isinstance(error, UnavailableError):
                    raise _DownError(error, failed) from error
                return failed
            asked += new
            read += candidate.prompt_tokens or 0
            written += candidate.completion_tokens or 0
            text, (value, reason) = candidate.text, _judged(rendered, candidate)
            if not reason:
                return Answered(given.line, text, value, "", attempt + 1, asked, read, written)
        return Answered(given.line, text, None, reason, self._retries + 1, asked, read, written)

    def _ask(self, rendered: Rendered, attempt: int) -> tuple[Candidate, bool]:
        """Return an answer, and whether it was asked for now."""
        options = self._options(rendered, attempt)
        key = answer_key(self._answers_as, rendered, {**options, "attempt": attempt})
        with self._lock:
            flying = self._flying.get(key)
            if flying is None:
                kept = self._ledger.get(key) if self._ledger and not self._anew else None
                if kept is not None:
                    return kept, False
                own: Future[Candidate] = Future()
                self._flying[key] = own
        if flying is not None:  # the same prompt is under way, or was answered in this run
            return flying.result(), False
        try:
            found = self.generator.generate(rendered.prompt, n=1, stop=rendered.stop, **options)[0]
            if self._ledger is not None:
                self._ledger.put(key, found)
        except BaseException as error:
            with self._lock:
                del self._flying[key]
            own.set_exception(error)
            raise
        own.set_result(found)
        if self._ledger is not None and not self._anew:
            with self._lock:
                del self._flying[key]
        return found, True

    def _options(self, rendered: Rendered, attempt: int) -> dict[str, Any]:
        asked = {**rendered.parameters, **self._given}
        options = {name: value for name, value in asked.items() if value is not None}
        if "seed" in self.generator.supports:
            options.setdefault("seed", self._seed)
            if attempt:
                options["seed"] = _another(options["seed"], attempt)
        if attempt and options.get("temperature") == 0 and "temperature" in self.generator.supports:
            options["temperature"] = 0.7  # at 0 another seed changes nothing
        return options


class _DownError(Exception):
    """A service that cannot be reached, and what is told of the input if it comes back."""

    def __init__(self, cause: UnavailableError, found: Answered) -> None:
        super().__init__(str(cause))
        self.cause, self.found = cause, found


def _judged(rendered: Rendered, candidate: Candidate) -> tuple[Any, str]:
    told = candidate.text.strip()
    if rendered.check is None:
        return (told, "") if told else (None, "empty")
    verdict = rendered.check.judge(told)
    return verdict.value, verdict.reason


def _another(seed: int, attempt: int) -> int:
    told = hashlib.blake2b(f"{seed} retry {attempt}".encode(), digest_size=4).digest()
    return int.from_bytes(told, "little") >> 1


def _or_end(inputs: Iterable[Input]) -> Iterator[Input | None]:
    yield from inputs
    yield None
