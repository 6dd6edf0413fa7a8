"""Words and pieces of words as features: what TF-IDF sees of a text.

It does what ``sklearn.feature_extraction.text.TfidfVectorizer`` does with ``sublinear_tf=True``,
and the tests hold the two equal. It is our own because a classifier that predicts should not have
to import scikit-learn (more than a second), and because the pieces of a word are found once, not
each time the word occurs.
"""

from __future__ import annotations

import itertools
import re
from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from embedkit.classification.state import State

if TYPE_CHECKING:
    from numpy.typing import NDArray

Unit = Literal["words", "pieces"]
WORDS, PIECES = (1, 2), (2, 5)
"""Lengths that are counted: words in a row, and characters of a piece."""
MOST = 150_000
"""Features that are kept, the most frequent ones."""
MANY_TEXTS = 20_000
"""Texts from which on a feature that only one of them has is left out."""
_TOKEN = re.compile(r"\w+|[^\w\s]")


class TextFeatures:
    """Term frequency (logarithmic) times inverse document frequency, rows of length 1.

    Parameters
    ----------
    unit : "words" or "pieces"
        Words and marks, alone and in pairs; or the pieces of 2 to 5 characters of every word with
        a blank on each side.

    Source
    ------
    Salton and Buckley, "Term-weighting approaches in automatic text retrieval", 1988, as smoothed
    by ``sklearn.feature_extraction.text.TfidfTransformer``.
    """

    def __init__(self, unit: Unit = "words") -> None:
        self.unit = unit
        self._places: dict[str, int] = {}
        self._idf = np.empty(0, np.float32)

    def __len__(self) -> int:
        return len(self._idf)

    def fit(self, texts: Sequence[str]) -> Any:
        """Learn the features of texts and return those of the texts themselves.

        Returns
        -------
        scipy CSR array of float32, shape (n, n_features)
            Features are in the order of their characters, whatever the order of the texts. A text
            without any has a row of zeros.
        """
        found: dict[str, int] = {}
        counts = _count(self._grams(texts, found, grow=True), len(found))
        frequency = np.bincount(counts.indices, minlength=len(found))
        names = sorted(found, key=lambda name: name)
        order = np.fromiter((found[name] for name in names), np.int64, len(names))
        keep = _kept(frequency[order], len(texts))
        order, names = order[keep], [names[i] for i in keep.tolist()]
        self._places = {name: place for place, name in enumerate(names)}
        idf = np.log((1 + len(texts)) / (1 + frequency[order])) + 1
        self._idf = idf.astype(np.float32)
        return self._weighted(counts[:, order])

    def transform(self, texts: Sequence[str]) -> Any:
        """Return the features of texts, shape (n, n_features), as ``fit`` does."""
        return self._weighted(_count(self._grams(texts, self._places, grow=False), len(self)))

    def state(self) -> State:
        """Return what was learned."""
        lengths = np.fromiter(
            (len(name.encode("utf-8", "surrogatepass")) for name in self._places),
            np.int32,
            len(self._places),
        )
        names = "".join(self._places).encode("utf-8", "surrogatepass")
        blob: NDArray[Any] = np.frombuffer(names, np.uint8)
        return State({"unit": self.unit}, {"names": blob, "lengths": lengths, "idf": self._idf})

    @classmethod
    def restored(cls, state: State) -> TextFeatures:
        """Return what ``state`` came from."""
        features = cls(state.facts["unit"])
        names, start = state.arrays["names"].tobytes(), 0
        for place, length in enumerate(state.arrays["lengths"].tolist()):
            name = names[start : start + length].decode("utf-8", "surrogatepass")
            features._places[name] = place
            start += length
        features._idf = state.arrays["idf"]
        return features

    def _grams(
        self, texts: Sequence[str], places: dict[str, int], *, grow: bool
    ) -> Iterable[array[int]]:
        """Yield the places of the features of each text, as often as it has them."""
        of = _words if self.unit == "words" else _Pieces(places, grow)
        for text in texts:
            if isinstance(of, _Pieces):
                yield of(text)
            elif grow:
                yield array("i", [places.setdefault(gram, len(places)) for gram in of(text)])
            else:
                yield array("i", [places[gram] for gram in of(text) if gram in places])

    def _weighted(self, counts: Any) -> Any:
        from scipy import sparse

        values = (1 + np.log(counts.data)) * self._idf[counts.indices]
        squares = np.bincount(_rows(counts), weights=values**2, minlength=counts.shape[0])
        values /= np.sqrt(squares)[_rows(counts)]
        parts = (values.astype(np.float32), counts.indices, counts.indptr)
        return sparse.csr_array(parts, shape=counts.shape)


class _Pieces:
    """The places of the pieces of a text; those of each word are looked up once."""

    def __init__(self, places: dict[str, int], grow: bool) -> None:
        self._places, self._grow = places, grow
        self._known: dict[str, array[int]] = {}

    def __call__(self, text: str) -> array[int]:
        found: array[int] = array("i")
        for word in text.lower().split():
            pieces = self._known.get(word)
            if pieces is None:
                pieces = self._known[word] = self._of(word)
            found.extend(pieces)
        return found

    def _of(self, word: str) -> array[int]:
        places, padded = self._places, f" {word} "
        grams = []
        for n in range(PIECES[0], PIECES[1] + 1):
            if n >= len(padded):
                grams.append(padded)
                break
            grams += [padded[i : i + n] for i in range(len(padded) - n + 1)]
        if self._grow:
            return array("i", [places.setdefault(gram, len(places)) for gram in grams])
        return array("i", [places[gram] for gram in grams if gram in places])


def _words(text: str) -> list[str]:
    tokens = _TOKEN.findall(text.lower())
    return tokens + [f"{a} {b}" for a, b in itertools.pairwise(tokens)]


def _count(grams: Iterable[array[int]], width: int) -> Any:
    """Return how often each row has each feature; ``width`` may grow while grams are found."""
    from scipy import sparse

    places, ends = array("i"), [0]
    for row in grams:
        places.extend(row)
        ends.append(len(places))
    indices = np.array(places, np.int32)
    width = max(width, int(indices.max()) + 1 if len(indices) else 0)
    parts = (np.ones(len(indices), np.float32), indices, np.array(ends, np.int32))
    counts = sparse.csr_array(parts, shape=(len(ends) - 1, width))
    counts.sum_duplicates()
    return counts


def _kept(frequency: NDArray[np.int64], texts: int) -> NDArray[np.int64]:
    """Return the places of the features worth keeping, in order."""
    keep = np.flatnonzero(frequency > (1 if texts >= MANY_TEXTS else 0))
    if len(keep) > MOST:
        keep = np.sort(keep[np.argsort(-frequency[keep], kind="stable")[:MOST]])
    return keep


def _rows(counts: Any) -> NDArray[np.int64]:
    """Return the row of each value of a CSR array."""
    return np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
