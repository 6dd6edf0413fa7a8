"""Summaries: candidates from one generator or several, filtered, ranked, the best one kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedkit import registry
from embedkit.errors import (
    CredentialsError,
    EmbedkitError,
    InvalidInputError,
    UnsupportedOperationError,
)
from embedkit.prompts.library import prompt_for
from embedkit.protocols import Generator, SourceGenerator
from embedkit.ranking.rank import rank_candidates
from embedkit.ranking.words import count_words
from embedkit.registry import Spec
from embedkit.summarizing.gathering import Gathered, Order, Progress, Teller, from_source
from embedkit.summarizing.memory import Remembering
from embedkit.summarizing.wishes import Form, Wish, check_wish
from embedkit.types import Candidate, Ranking
from embedkit.types.summaries import Summary
from embedkit.validate import is_unicode

if TYPE_CHECKING:
    from embedkit.prompts.template import PromptTemplate
    from embedkit.protocols import Embedder

FALLBACK = "extractive"
TASK = "summarize"


class Summarizer:
    """Summarizes texts, one after the other, with the same generators.

    Parameters
    ----------
    As for :func:`summarize`.
    """

    def __init__(
        self,
        generator: str | Generator | Sequence[str | Generator] = FALLBACK,
        *,
        n: int = 5,
        length: str | int = "short",
        form: Form = "prose",
        prompt: str | Path | PromptTemplate = TASK,
        score: str | Mapping[str, float] = "default",
        filters: str | Sequence[str] = "default",
        embedder: str | Embedder = "minilm",
        temperature: float | None = None,
        seed: int | None = None,
        context: int | None = None,
        fallback: str | None = FALLBACK,
    ) -> None:
        self.wish = check_wish(length, form)
        self.n = _whole("n", n)
        self.context = None if context is None else _whole("context", context)
        self.prompt, self.score, self.filters = prompt, score, filters
        self.temperature, self.seed, self.fallback = temperature, seed, fallback
        made = registry.create("embedder", embedder) if isinstance(embedder, str) else embedder
        self.embedder: Embedder = Remembering(made)
        self.generators = self._generators(generator)
        self._refuse_in_vain()

    def _refuse_in_vain(self) -> None:
        """Refuse what none of the generators would look at, rather than ignore it."""
        if not all(isinstance(each, SourceGenerator) for each in self.generators.values()):
            return
        given = {
            "temperature": self.temperature is not None,
            "context": self.context is not None,
            "prompt": self.prompt != TASK,
        }
        in_vain = [name for name, is_given in given.items() if is_given]
        if in_vain:
            raise UnsupportedOperationError(
                f"{', '.join(self.generators)} reads the text itself and knows no {in_vain[0]}",
                do=f"leave {in_vain[0]} out, or name a generator that is asked, such as smollm",
            )

    def __call__(self, text: str, *, progress: Progress | None = None) -> Summary:
        """Summarize one text.

        Raises
        ------
        InvalidInputError
            A text without words.
        EmbedkitError
            No generator gave anything: the error of the first.
        """
        text = check_text(text)
        wish = self.wish.within(count_words(text))
        order = Order(self.n, self.temperature, self.seed, self.context, progress)
        notes: list[str] = []
        gathered = self._gathered(text, wish, order, notes)
        ranking = self._ranked(text, gathered, wish)
        if (ranking is None or ranking.best is None) and self._may_fall_back:
            assert self.fallback is not None
            notes.append(self._why(ranking))
            gathered.append(self._from(self.fallback, self._made(self.fallback), text, wish, order))
            ranking = self._ranked(text, gathered, wish)
        if ranking is None or ranking.best is None:
            ranking = self._lengthened(text, gathered, wish, notes) or ranking
        for each in gathered:
            notes += each.notes
        if ranking is None:
            raise InvalidInputError(
                f"{', '.join(self.generators)} gave no candidate for this text",
                do="give a text with sentences, or name another generator",
            )
        return Summary(ranking, tuple(dict.fromkeys(notes)))

    @property
    def _may_fall_back(self) -> bool:
        named = {name.partition("?")[0] for name in self.generators}
        return self.fallback is not None and self.fallback.partition("?")[0] not in named

    def _why(self, ranking: Ranking | None) -> str:
        """Say why the fallback is asked."""
        told = ", ".join(self.generators)
        if ranking is None:
            return f"{told} gave nothing: {self.fallback} stands in"
        first = ranking[0]
        reason = first.rejections[0].reason if first.rejections else "no reason is known"
        return (
            f"no candidate of {told} passed, the best one because {reason}: "
            f"{self.fallback} stands in"
        )

    def _lengthened(
        self, text: str, gathered: Sequence[Gathered], wish: Wish, notes: list[str]
    ) -> Ranking | None:
        """Allow the words of the shortest extract, where no sentence is as short as was asked."""
        extracts = [one for each in gathered if each.extracts for one in each.candidates]
        shortest = min((count_words(one.text) for one in extracts), default=0)
        if shortest <= wish.most_words:
            return None
        notes.append(
            f"no sentence of the text has as few as {wish.most_words} words: {shortest} are allowed"
        )
        return self._ranked(text, gathered, replace(wish, most_words=shortest))

    def _gathered(self, text: str, wish: Wish, order: Order, notes: list[str]) -> list[Gathered]:
        """Ask every generator; one that fails is noted, unless all do."""
        found: list[Gathered] = []
        failures: list[EmbedkitError] = []
        for name, generator in self.generators.items():
            try:
                found.append(self._from(name, generator, text, wish, order))
            except EmbedkitError as error:
                if isinstance(error, CredentialsError) or len(self.generators) == 1:
                    raise
                failures.append(error)
                notes.append(f"{name} failed: {error}")
        if not found:
            raise failures[0]
        return found

    def _from(
        self, name: str, generator: Generator, text: str, wish: Wish, order: Order
    ) -> Gathered:
        if isinstance(generator, SourceGenerator):
            return from_source(name, generator, text, wish, order)
        template = self.prompt
        if isinstance(template, (str, Path)):
            template = prompt_for(template, generator)
        return Teller(name, generator, template, order, self._choose).gather(text, wish)

    def _choose(self, part: str, drawn: list[Candidate], wish: Wish, prompt: str) -> str:
        """Return the best summary of a part; its extract where none passes and one may stand in."""
        given = Gathered("", drawn, False, prompt)
        ranking = self._ranked(part, [given], wish, rankers="none") if drawn else None
        if ranking is not None and ranking.best is not None:
            return ranking.best.text
        if self.fallback is None:
            return ""
        extractive: Any = self._made(FALLBACK)
        found = extractive.from_sources([part], n=1, most_words=wish.most_words)
        return found[0].text if found else ""

    def _ranked(
        self, text: str, gathered: Sequence[Gathered], wish: Wish, rankers: str = "all"
    ) -> Ranking | None:
        listed = [(each, one) for each in gathered for one in each.candidates]
        if not listed:
            return None
        return rank_candidates(
            text,
            [one for _, one in listed],
            embedder=self.embedder,
            score=self.score,
            rankers=rankers,
            filters=self.filters,
            prompt="\n\n".join(each.prompt for each in gathered if each.prompt),
            least_words=max(1, min(wish.least_words, count_words(text) // 2)),
            most_words=wish.most_words,
            extracts=[i for i, (each, _) in enumerate(listed) if each.extracts],
            generators=[each.generator for each, _ in listed],
        )

    def _generators(self, given: Any) -> dict[str, Generator]:
        listed = [given] if isinstance(given, (str, Generator)) else list(given)
        if not listed:
            raise InvalidInputError("expected at least one generator, got none")
        found: dict[str, Generator] = {}
        for each in listed:
            name = each if isinstance(each, str) else each.model_id
            found[name] = self._made(each) if isinstance(each, str) else each
        return found

    def _made(self, spec: str) -> Generator:
        """Build a generator; one that compares texts does so by our embedder, unless told."""
        made: Any = registry.create("generator", spec)
        if hasattr(made, "embedder") and "embedder" not in Spec.parse(spec).options:
            made.embedder = self.embedder
        generator: Generator = made
        return generator


def summarize(
    text: str,
    *,
    n: int = 5,
    generator: str | Generator | Sequence[str | Generator] = FALLBACK,
    length: str | int = "short",
    form: Form = "prose",
    prompt: str | Path | PromptTemplate = TASK,
    score: str | Mapping[str, float] = "default",
    filters: str | Sequence[str] = "default",
    embedder: str | Embedder = "minilm",
    temperature: float | None = None,
    seed: int | None = None,
    context: int | None = None,
    fallback: str | None = FALLBACK,
    progress: Progress | None = None,
) -> Summary:
    """Summarize a text: several candidates, those that cannot be trusted rejected, the best kept.

    Parameters
    ----------
    text : str
        Of any length. What is longer than a model reads is summarized in parts and those summaries
        together; nothing is left out unread, and ``notes`` say what was done.
    n : int
        Candidates of each generator.
    generator : str, Generator, or several
        Such as ``"extractive"`` (sentences of the text), ``"smollm"``,
        ``["extractive", "cohere:command-a-03-2025"]``; several compete in one ranking.
    length : {"short", "medium", "long"} or int
        At most 40, 100 or 250 words (16 for a headline), and of a short text at most 60 % of its
        words; a number is words, whatever the text.
    form : {"prose", "points", "headline"}
    prompt : str, Path or PromptTemplate
        For generators that are told what to do: a template with an input ``text``; ``length`` and
        ``form`` are given to it where it has such inputs. Default: the built-in ``summarize``, in
        the formulation that suits the generator.
    score, filters, embedder
        See :func:`embedkit.rank_candidates`. One embedder serves extracts and ranking.
    temperature : float, optional
        Default: that of the template.
    seed : int, optional
        With it a generator that knows seeds gives the same candidates again.
    context : int, optional
        Tokens that a model is to read and write together. Default: what it says, or else 8,192.
    fallback : str or None
        The generator that stands in where no candidate passed or none came; None for nothing.
    progress : callable, optional
        Called with (what, done, total).

    Returns
    -------
    Summary
        ``text`` is the best candidate; where none passed it is empty, and ``ranking`` says why.

    Raises
    ------
    InvalidInputError
        A text without words, a length or form that cannot be meant.
    UnknownBackendError, MissingDependencyError
    ProviderError, EmbeddingError
        No generator gave anything; one that gives some of its candidates serves with those, and one
        of several that fails altogether is noted.

    Source
    ------
    Rank and filter: candidates that differ, filters for what must not be shown, a score for the
    rest. Long texts: Wu et al., "Recursively summarizing books with human feedback", 2021.

    Examples
    --------
    >>> summary = embedkit.summarize(text, length="medium")         # doctest: +SKIP
    >>> summary.text, [each.score for each in summary.ranking]      # doctest: +SKIP
    """
    summarizer = Summarizer(
        generator,
        n=n,
        length=length,
        form=form,
        prompt=prompt,
        score=score,
        filters=filters,
        embedder=embedder,
        temperature=temperature,
        seed=seed,
        context=context,
        fallback=fallback,
    )
    return summarizer(text, progress=progress)


def check_text(text: Any) -> str:
    """Return a text that can be summarized, or refuse it.

    Raises
    ------
    InvalidInputError
    """
    if not isinstance(text, str):
        raise InvalidInputError(f"expected a text, got {type(text).__name__}")
    if not is_unicode(text):
        raise InvalidInputError("expected Unicode text, got one with a lone surrogate")
    if not any(character.isalnum() for character in text):
        told = "an empty one" if not text.strip() else "one without letters or digits"
        raise InvalidInputError(f"expected a text with words to summarize, got {told}")
    return text


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidInputError(f"expected {name} to be a whole number >= 1, got {value!r}")
    return value
