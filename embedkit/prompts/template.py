"""A prompt template: what a generator is told, with inputs to be filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from embedkit.errors import InvalidInputError, TemplateError
from embedkit.prompts.checks import OutputCheck
from embedkit.prompts.inputs import Variable, settle
from embedkit.prompts.sandbox import Source
from embedkit.types import Message

Form = Literal["messages", "completion"]
Role = Literal["system", "user", "assistant"]
SEPARATOR = "\n\n"
"""Stands between the parts of a completion, where the template names none."""


@dataclass(frozen=True, slots=True)
class FewShot:
    """Examples that show what is wanted before it is asked.

    Attributes
    ----------
    examples : tuple of dict
        Each holds values for ``shown``.
    shown : Source
        How one example is written; in messages, what the user says.
    answer : Source or None
        In messages, what the assistant answers.
    separator : str
        What stands between two examples, and before what is asked, of a completion.
    k : int or None
        How many are shown at most; None for all.
    """

    examples: tuple[dict[str, Any], ...]
    shown: Source
    answer: Source | None = None
    separator: str = SEPARATOR
    k: int | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """A template with its inputs filled in: what a generator takes.

    Attributes
    ----------
    prompt : tuple of Message, or str
        Messages, or a text that is to be gone on from.
    stop : tuple of str
        Where an answer ends.
    parameters : mapping
        What else ``generate`` is called with, such as ``temperature``.
    check : OutputCheck or None
        What an answer to it has to be.
    """

    prompt: tuple[Message, ...] | str
    stop: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    check: OutputCheck | None = None

    @property
    def text(self) -> str:
        """Return it as one text to read."""
        if isinstance(self.prompt, str):
            return self.prompt
        return "\n\n".join(f"[{message.role}]\n{message.content}" for message in self.prompt)


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A named prompt.

    Attributes
    ----------
    name, version, description : str
    inputs : tuple of Variable
    form : {"messages", "completion"}
    messages : tuple of (role, Source)
        Of a completion, the one text that is gone on from, as the user's.
    few_shot : FewShot or None
    stop : tuple of str
    parameters : mapping
        Defaults of the sampling parameters.
    check : OutputCheck or None
        What an answer has to be.
    origin : str
        Where it was read.
    chat : bool
        Of a completion: whether it also serves models better that could take messages instead.

    Examples
    --------
    >>> template = embedkit.prompt("title")
    >>> print(template.render(text="The cat sat on the mat.").prompt[-1].content)  # doctest: +SKIP
    """

    name: str
    version: str
    description: str
    inputs: tuple[Variable, ...]
    form: Form
    messages: tuple[tuple[Role, Source], ...]
    few_shot: FewShot | None = None
    stop: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    check: OutputCheck | None = None
    origin: str = ""
    chat: bool = False

    def __post_init__(self) -> None:
        known = {variable.name: variable.kind for variable in self.inputs}
        for _, source in self.messages:
            _refuse_unknown(source, set(known), self.origin)
        if self.check is not None:
            self.check.refuse_unknown(known, self.origin)

    def render(
        self, examples: Sequence[Mapping[str, Any]] | None = None, **values: Any
    ) -> Rendered:
        """Fill in the inputs.

        Parameters
        ----------
        examples : sequence of mapping, optional
            Examples to show in place of the template's own, such as those nearest to the input.
        values
            A value for each input that has no default.

        Raises
        ------
        InvalidInputError
            A value is missing, of another type, or for no input.
        TemplateError
            What it writes is too long.
        """
        settled = settle(self.inputs, values)
        shots = self._shots(examples)
        check = self.check.settled(settled) if self.check else None
        filled = [(role, source.fill(settled)) for role, source in self.messages]
        if self.form == "completion":
            between = self.few_shot.separator if self.few_shot else SEPARATOR
            shown = [self.few_shot.shown.fill(shot) for shot in shots] if self.few_shot else []
            head = [filled[0][1]] if len(filled) > 1 else []
            prompt = between.join([*head, *shown, filled[-1][1]])
            return Rendered(prompt, self.stop, self.parameters, check)
        turns = [Message(role, text) for role, text in filled]
        told = (*turns[:-1], *self._turns(shots), turns[-1])
        return Rendered(told, self.stop, self.parameters, check)

    def _shots(self, given: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
        if self.few_shot is None:
            if given:
                raise InvalidInputError(f"the template {self.name!r} shows no examples")
            return []
        shots = [dict(shot) for shot in (self.few_shot.examples if given is None else given)]
        return shots[: self.few_shot.k] if self.few_shot.k is not None else shots

    def _turns(self, shots: Sequence[Mapping[str, Any]]) -> list[Message]:
        turns: list[Message] = []
        for shot in shots:
            assert self.few_shot is not None
            turns.append(Message("user", self.few_shot.shown.fill(shot)))
            if self.few_shot.answer is not None:
                turns.append(Message("assistant", self.few_shot.answer.fill(shot)))
        return turns


def _refuse_unknown(source: Source, known: set[str], where: str) -> None:
    unknown = sorted(source.names - known)
    if unknown:
        raise TemplateError(
            f"{where}: {source.what} asks for {unknown[0]!r}, which is no input",
            do=f"add [inputs.{unknown[0]}], or use one of: {', '.join(sorted(known)) or 'none'}",
        )
