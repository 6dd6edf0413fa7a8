"""Candidates for one text from one generator, however long the text is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from embedkit.asking.context import turnless
from embedkit.errors import CredentialsError, EmbedkitError, InvalidInputError, QuotaError
from embedkit.generators.drawing import draw
from embedkit.protocols import SourceGenerator
from embedkit.ranking.words import count_words
from embedkit.sentences import sentences
from embedkit.summarizing.parts import MARGIN, Reader
from embedkit.summarizing.wishes import WORDS, Wish, check_wish
from embedkit.types import Candidate, Token

if TYPE_CHECKING:
    from embedkit.prompts.template import PromptTemplate, Rendered
    from embedkit.protocols import Generator

Progress: TypeAlias = Callable[[str, int, int], None]
Choose: TypeAlias = Callable[[str, list[Candidate], Wish, str], str]
"""Which of some candidates stands for a part: (part, candidates, wish, prompt) -> its summary."""

PER_PART = 2
"""Candidates for each part of a long text: one that is rejected has a rival."""
LEAST_ROOM = 200
"""Tokens that must be left for the text, or a part and its summary would be equally long."""
LEAST_PART = 24
"""Words of the summary of a part, at the least."""
SHRINKS = 0.8
"""What a round must bring a text down to, or it would take too many."""


@dataclass
class Gathered:
    """What one generator gave.

    Attributes
    ----------
    generator : str
        As it was named.
    candidates : list of Candidate
    extracts : bool
        Whether they are sentences of the text on purpose.
    prompt : str
        What the model was told, without the text.
    notes : list of str
    """

    generator: str
    candidates: list[Candidate] = field(default_factory=list)
    extracts: bool = False
    prompt: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Order:
    """What is asked of every generator.

    Attributes
    ----------
    n : int
        Candidates of each.
    temperature : float or None
        None for what the template says.
    seed : int or None
    context : int or None
        Tokens that a model is to read and write together, at most.
    progress : callable or None
    """

    n: int
    temperature: float | None = None
    seed: int | None = None
    context: int | None = None
    progress: Progress | None = None

    def tell(self, what: str, done: int, total: int) -> None:
        """Report progress where somebody listens."""
        if self.progress is not None:
            self.progress(what, done, total)


def from_source(
    name: str, generator: SourceGenerator, text: str, wish: Wish, order: Order
) -> Gathered:
    """Take extracts of a text."""
    found = generator.from_sources(
        [text],
        n=order.n,
        most_words=wish.most_words,
        seed=order.seed,
        progress=order.progress,
    )
    if wish.form == "points":
        found = [replace(each, text=as_points(each.text)) for each in found]
    notes = []
    if len(found) < order.n:
        notes.append(
            f"{name}: the text is so short that it gives {len(found)} of {order.n} candidates"
        )
    return Gathered(name, found, True, "", notes)


def as_points(text: str) -> str:
    """Return each sentence on a line of its own, as an item of a list."""
    return "\n".join(f"- {' '.join(each.text.split())}" for each in sentences(text))


class Teller:
    """Draws summaries of texts from a model, by a template.

    Parameters
    ----------
    name : str
        What the generator is called.
    generator : Generator
    template : PromptTemplate
        With an input ``text``; ``length`` and ``form`` are given where it has them.
    order : Order
    choose : callable
        Which candidate stands for a part.
    """

    def __init__(
        self,
        name: str,
        generator: Generator,
        template: PromptTemplate,
        order: Order,
        choose: Choose,
    ) -> None:
        self.name = name
        self.generator = generator
        self.template = template
        self.order = order
        self.choose = choose
        self.reader = Reader(generator, order.context)
        self.notes: list[str] = []
        self._inputs = {variable.name for variable in template.inputs}
        if "text" not in self._inputs:
            raise InvalidInputError(
                f"expected a template with an input text, got {template.name!r} with "
                f"{', '.join(sorted(self._inputs)) or 'none'}"
            )

    def gather(self, text: str, wish: Wish) -> Gathered:
        """Return candidates; a text that is too long is summarized in parts first."""
        short = self._shortened(text, wish)
        self.order.tell(f"asking {self.name}", 0, self.order.n)
        prompt = self._rendered(short, wish)
        drawn = self._draw(prompt, self.order.n, wish, self.order.progress)
        told = prompt.text.replace(turnless(short.strip()), "\n")
        return Gathered(self.name, drawn, False, told, self.notes)

    def _shortened(self, text: str, wish: Wish) -> str:
        room = self._room(text, wish)
        tokens = self.reader.tokens(text)
        while tokens > room:
            brief = self._part_wish(room)
            parts = self.reader.parts(text, self._room(text, brief))
            self.notes.append(
                f"{self.name}: the text has about {tokens:,} tokens, {room:,} fit beside the "
                f"prompt; summarized in {len(parts)} parts, and those summaries together"
            )
            text = "\n\n".join(self._of_parts(parts, brief))
            before, tokens = tokens, self.reader.tokens(text)
            if tokens > SHRINKS * before:
                raise InvalidInputError(
                    f"{self.name} does not shorten the parts of the text: {before:,} tokens became "
                    f"{tokens:,}",
                    do="choose a generator with a larger context",
                )
        return text

    def _of_parts(self, parts: list[str], wish: Wish) -> list[str]:
        found: list[str] = []
        failures: list[EmbedkitError] = []
        for i, part in enumerate(parts):
            self.order.tell("summarizing parts", i, len(parts))
            drawn: list[Candidate] = []
            prompt = self._rendered(part, wish)
            try:
                drawn = self._draw(prompt, PER_PART, wish, None)
            except (CredentialsError, QuotaError):  # the other parts would meet it too
                raise
            except EmbedkitError as error:
                failures.append(error)
            found.append(
                self.choose(part, drawn, wish, prompt.text.replace(turnless(part.strip()), "\n"))
            )
        self.order.tell("summarizing parts", len(parts), len(parts))
        if len(failures) == len(parts):
            raise failures[0]
        kept = [each for each in found if each]
        left = len(parts) - len(kept)
        if not kept:
            raise InvalidInputError(
                f"no summary of {self.name} passed for any of the {len(parts)} parts of the text",
                do="allow a fallback, or name another generator",
            )
        if left:
            self._note(f"{self.name}: nothing stands for {left} of {len(parts)} parts")
        if failures:
            instead = "" if left else ", whose extracts stand for them"
            self.notes.append(
                f"{self.name} failed on {len(failures)} of {len(parts)} parts{instead}: "
                f"{failures[0]}"
            )
        return kept

    def _draw(
        self, prompt: Rendered, n: int, wish: Wish, progress: Progress | None
    ) -> list[Candidate]:
        """Return candidates that came, and note why others did not."""
        tell: Any = None
        if progress is not None:
            what, listen = f"asking {self.name}", progress
            tell = lambda step: listen(what, step.finished, step.n)  # noqa: E731
        options = self._options(prompt, wish)
        drawn = draw(self.generator, prompt.prompt, n, progress=tell, **options)
        for note in drawn.notes:
            self._note(f"{self.name}: {note}")
        if drawn.failures:
            told = "; ".join(dict.fromkeys(drawn.failures))
            self._note(f"{self.name}: {len(drawn.failures)} of {n} candidates failed: {told}")
        before = _lead(prompt) if wish.form == "points" else ""
        completed = isinstance(prompt.prompt, str) and not before
        found = [_ended(each, wish.most_words) for each in drawn.candidates]
        return [
            replace(each, text=before + (_begun(each.text) if completed else each.text))
            for each in found
        ]

    def _options(self, prompt: Rendered, wish: Wish) -> dict[str, Any]:
        """Return the sampling parameters, without those the generator does not know."""
        told = {**prompt.parameters, "stop": prompt.stop, "max_tokens": wish.max_tokens}
        if self.order.temperature is not None:
            told["temperature"] = self.order.temperature
        if self.order.seed is not None:
            told["seed"] = self.order.seed
        given = {name: value for name, value in told.items() if value not in (None, ())}
        unknown = [name for name in given if name not in self.generator.supports]
        if unknown:
            self._note(f"{self.name} does not know {', '.join(unknown)}; asked without")
        return {name: value for name, value in given.items() if name not in unknown}

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def _rendered(self, text: str, wish: Wish) -> Rendered:
        values = {"text": turnless(text.strip()), "length": wish.length, "form": wish.form}
        asked: dict[str, Any] = {
            name: value for name, value in values.items() if name in self._inputs
        }
        return self.template.render(**asked)

    def _room(self, text: str, wish: Wish) -> int:
        """Return how many tokens of a text fit beside the prompt and the answer."""
        frame = self.reader.tokens(self._rendered("-", wish).text)
        room = int(self.reader.context * MARGIN) - frame - wish.max_tokens
        if room < LEAST_ROOM and self.reader.tokens(text) > room:
            raise InvalidInputError(
                f"{self.name} reads {self.reader.context:,} tokens, which leaves {max(0, room):,} "
                f"for the text; at least {LEAST_ROOM} are needed",
                do="ask for a shorter summary or choose a generator with a larger context",
            )
        return room

    def _part_wish(self, room: int) -> Wish:
        words = min(WORDS["medium"], max(LEAST_PART, room // 12))
        return check_wish(words, "prose")


def _ended(candidate: Candidate, most_words: int) -> Candidate:
    """End a candidate with its last whole sentence that fits the length; None fits: as it came.

    Small models go on and on: what they say first may be good, and was asked for alone.
    """
    text = candidate.text.strip()
    if candidate.finish_reason != "length" and count_words(text) <= most_words:
        return replace(candidate, text=text)
    listed = sentences(text)
    whole = listed if candidate.finish_reason != "length" else listed[:-1]
    fits = [each for each in whole if count_words(text[: each.end]) <= most_words]
    if not fits or fits[-1].end == len(text):
        return replace(candidate, text=text)
    kept = text[: fits[-1].end]
    return replace(candidate, text=kept, finish_reason="stop", tokens=_tokens(candidate, kept))


def _tokens(candidate: Candidate, kept: str) -> tuple[Token, ...] | None:
    """Return the tokens that the beginning of a candidate is made of."""
    if candidate.tokens is None:
        return None
    left = len(candidate.text) - len(candidate.text.lstrip()) + len(kept)
    found: list[Token] = []
    for token in candidate.tokens:
        if left <= 0:
            break
        found.append(token)
        left -= len(token.text)
    return tuple(found)


def _begun(text: str) -> str:
    """Return what goes on from a prompt as a text of its own: with a capital."""
    return text[:1].upper() + text[1:]


def _lead(prompt: Rendered) -> str:
    """Return the mark of a list that a prompt ends with: the answer goes on from it."""
    if not isinstance(prompt.prompt, str):
        return ""
    last = prompt.prompt.rstrip().rpartition("\n")[2].strip()
    return f"{last} " if last in ("-", "*", "•") else ""
