"""Few-shot examples chosen for the input: near to it, unlike each other, within a token budget.

The pieces (:func:`spread`, :func:`fitting`) serve every prompt that shows labelled rows, those of
the head ``prompted`` among them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from embedkit.errors import ColumnError, InvalidInputError
from embedkit.indexes.exact import top_k
from embedkit.managed.tokens import estimate_tokens
from embedkit.prompts.template import PromptTemplate
from embedkit.retrieval.diversity import diverse

if TYPE_CHECKING:
    from pathlib import Path

    from embedkit.protocols import Embedder
    from embedkit.types import Keys, Vectors

POOL = 4
"""Near rows among which examples that differ are chosen, for each example."""
K = 8
TOKENS = 1500
DIVERSITY = 0.3
Order = Literal["nearest-last", "nearest-first"]


def spread(vectors: Vectors, k: int, diversity: float) -> list[int]:
    """Choose k of near rows so that they differ from each other, the best first.

    Parameters
    ----------
    vectors : float32 array, shape (n, dim)
        Of the near rows, the nearest first: their order is their relevance.
    k : int
    diversity : float
        From 0, the nearest, to 1, those that differ most.

    Returns
    -------
    list of int, places among the near rows, at most k

    Source
    ------
    Nearness: Liu et al., "What makes good in-context examples for GPT-3?", 2022. Diversity:
    :func:`embedkit.retrieval.diversity.diverse`.
    """
    if k < 1:
        return []
    relevance = np.linspace(1, 0, len(vectors), dtype=np.float32)
    return diverse(relevance, vectors, k, diversity)


def fitting(costs: Sequence[int], room: int) -> list[int]:
    """Return the places of what fits, in its order; what is too large is passed over.

    Parameters
    ----------
    costs : sequence of int
        Tokens of each, the best first.
    room : int
        Tokens for all together.
    """
    kept = []
    for place, cost in enumerate(costs):
        if cost <= room:
            room -= cost
            kept.append(place)
    return kept


@dataclass(frozen=True, slots=True)
class Choice:
    """How examples are chosen.

    Attributes
    ----------
    k : int
        Examples, at most.
    tokens : int
        Of all examples together, by estimate.
    diversity : float
        From 0, the nearest rows, to 1, those that differ most.
    order : {"nearest-last", "nearest-first"}
        Which one stands beside the question: small models copy what they read last.
    """

    k: int = K
    tokens: int = TOKENS
    diversity: float = DIVERSITY
    order: Order = "nearest-last"

    def __post_init__(self) -> None:
        for name, value in (("k", self.k), ("tokens", self.tokens)):
            if value < 1:
                raise InvalidInputError(f"expected {name} of at least 1, got {value}")
        if not 0 <= self.diversity <= 1:
            raise InvalidInputError(f"expected diversity from 0 to 1, got {self.diversity}")


class Examples:
    """Labelled rows from which a template's examples are chosen.

    Parameters
    ----------
    texts, labels : sequence of str, length n
    vectors : float32 array, shape (n, dim)
        Of the texts, of length 1.
    embedder : Embedder
        What made them; it embeds the inputs too.
    choice : Choice
    ids : sequence of str, length n
        Empty where rows have no id.
    """

    def __init__(
        self,
        texts: Sequence[str],
        labels: Sequence[str],
        vectors: Vectors,
        embedder: Embedder,
        *,
        choice: Choice | None = None,
        ids: Sequence[str] = (),
    ) -> None:
        if not len(texts) == len(labels) == len(vectors) or (ids and len(ids) != len(texts)):
            raise InvalidInputError("expected a text, a label and a vector of each example")
        self.texts, self.labels, self.ids = list(texts), list(labels), list(ids)
        self.choice = choice or Choice()
        self._vectors = vectors
        self._embedder = embedder
        self._same: dict[str, list[int]] = {}
        for place, text in enumerate(self.texts):
            self._same.setdefault(_folded(text), []).append(place)

    def __len__(self) -> int:
        return len(self.texts)

    def choose(self, template: PromptTemplate, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the examples to show for an input, in the order in which they are shown.

        A row of the same text as the input, but for case and blanks, is never among them.

        Raises
        ------
        InvalidInputError
            The template shows no examples, or which of its inputs is compared is not clear.
        """
        compared, label = roles(template)
        query = str(values.get(compared) or "")
        near = self._near(query)
        places = [
            int(near[i]) for i in spread(self._vectors[near], self.choice.k, self.choice.diversity)
        ]
        shots = [{compared: self.texts[i], label: self.labels[i]} for i in places]
        costs = [_cost(template, shot) for shot in shots]
        chosen = [shots[i] for i in fitting(costs, self.choice.tokens)]
        return chosen[::-1] if self.choice.order == "nearest-last" else chosen

    def _near(self, query: str) -> Keys:
        """Return the nearest rows that are not the input itself, the nearest first."""
        own = self._same.get(_folded(query), [])
        wanted = POOL * self.choice.k
        if not query.strip() or len(self) <= len(own):
            return np.empty(0, np.int64)
        vector = self._embedder.embed([query], input_type="document")
        found: Keys = top_k(vector, self._vectors, min(len(self), wanted + len(own)))[0][0]
        found = found[found >= 0]
        return found[~np.isin(found, own)][:wanted]


def roles(template: PromptTemplate) -> tuple[str, str]:
    """Return which variable of the examples is the text that is compared, and which the label.

    The text is one of the template's inputs too; the label is not.

    Raises
    ------
    InvalidInputError
    """
    if template.few_shot is None:
        raise InvalidInputError(
            f"the template {template.name!r} shows no examples", do="add [examples] to it"
        )
    shown = set(template.few_shot.shown.names)
    if template.few_shot.answer is not None:
        shown |= template.few_shot.answer.names
    texts = [v.name for v in template.inputs if v.name in shown and v.kind == "text" and v.required]
    labels = sorted(shown - {variable.name for variable in template.inputs})
    if len(texts) != 1 or len(labels) != 1:
        raise InvalidInputError(
            f"expected the examples of {template.name!r} to show one text that is an input and one "
            f"label that is none, got {', '.join(texts) or 'no text'} and "
            f"{', '.join(labels) or 'no label'}",
            do="give its examples by hand",
        )
    return texts[0], labels[0]


def read_examples(
    source: str,
    *,
    home: Path,
    label: str | None = None,
    text: str | None = None,
    embedder: str | None = None,
    choice: Choice | None = None,
) -> Examples:
    """Read labelled rows from a file, or from a collection of the home.

    Parameters
    ----------
    source : str
        The name of a collection, else what :meth:`embedkit.Collection.index` takes.
    label, text : str, optional
        Their columns; found by themselves in a file where that is safe.
    embedder : str, optional
        A spec. Default: the collection's; for a file ``minilm``.

    Raises
    ------
    SourceError, ColumnError, InvalidInputError, CollectionNotFoundError
    """
    from embedkit import catalog
    from embedkit.classification.embedding import embed_for, open_embedder
    from embedkit.classification.labelled import read_labelled, read_labelled_records
    from embedkit.collection import Collection

    opened: Embedder
    if source in catalog.names(home):
        collection = Collection(source, home, embedder=embedder)
        if label is None:
            raise ColumnError(
                f"expected the column of the labels in the collection {source!r}, got none",
                do="name it with label (--examples-label)",
            )
        rows, opened = read_labelled_records(collection, label), collection.embedder
    else:
        rows = read_labelled(source, text=text, label=label)
        opened = open_embedder(embedder or "minilm", home)
    labels = [each if isinstance(each, str) else ", ".join(each) for each in rows.labels]
    vectors = embed_for(opened, rows.texts, home, input_type="document")
    return Examples(rows.texts, labels, vectors, opened, choice=choice, ids=rows.ids)


def _cost(template: PromptTemplate, shot: Mapping[str, Any]) -> int:
    assert template.few_shot is not None
    told = template.few_shot.shown.fill(shot) + template.few_shot.separator
    if template.few_shot.answer is not None:
        told += template.few_shot.answer.fill(shot)
    return estimate_tokens(told)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
