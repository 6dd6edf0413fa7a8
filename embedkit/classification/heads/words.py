"""Words as features: what TF-IDF sees of a text.

It does what ``sklearn.feature_extraction.text.TfidfVectorizer`` does with ``sublinear_tf=True``,
and the tests hold the two equal. It is our own because a classifier that predicts should not have
to import scikit-learn, which takes more than a second, and because unknown words may count.
"""

from __future__ import annotations

import functools
import itertools
import re
from array import array
from collections.abc import Iterable, Sequence, Sized
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from embedkit.classification.state import State

if TYPE_CHECKING:
    from numpy.typing import NDArray

Unit = Literal["words", "phrases", "singles", "pieces"]
PIECES = (2, 5)
"""Least and most characters of a piece."""
MOST = 150_000
"""Features that are kept, unless said otherwise."""
MANY_TEXTS = 20_000
"""Texts from which on a feature that only one of them has is left out."""
_TOKEN = re.compile(r"\w+|[^\w\s]")


class TextFeatures:
    """Term frequency (logarithmic) times inverse document frequency, rows of length 1.

    Parameters
    ----------
    unit : "words", "phrases", "singles" or "pieces"
        Words and marks alone and in pairs; the same with the borders of the text as marks in pairs,
        so that it counts what a text begins with; alone only; or the pieces of 2 to 5 characters of
        every word with a blank on each side.
    least : int
        Texts that must have a feature for it to be kept.
    power : float
        To which the inverse document frequency is raised: below 1, frequent words count more.
    unknown : bool
        Whether features that are not kept count where a row is brought to length 1: a text of
        which one word in ten is known is then not taken for one of that word.

    Source
    ------
    Salton and Buckley, "Term-weighting approaches in automatic text retrieval", 1988, as smoothed
    by ``sklearn.feature_extraction.text.TfidfTransformer``.
    """

    def __init__(
        self,
        unit: Unit = "words",
        *,
        least: int = 1,
        power: float = 1.0,
        unknown: bool = False,
        most: int = MOST,
    ) -> None:
        self.unit: Unit = unit
        self.least, self.power, self.unknown, self.most = least, power, unknown, most
        self._of = _OF[unit]
        self._places: dict[str, int] = {}
        self._idf = np.empty(0, np.float32)
        self._rare = 0.0

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
        rows = ([found.setdefault(gram, len(found)) for gram in self._of(text)] for text in texts)
        counts = _count(rows, found)
        frequency = np.bincount(counts.indices, minlength=len(found))
        names = sorted(found, key=lambda name: name)
        order = np.fromiter((found[name] for name in names), np.int64, len(names))
        keep = self._kept(frequency[order], len(texts))
        order, names = order[keep], [names[i] for i in keep.tolist()]
        self._places = {name: place for place, name in enumerate(names)}
        idf = (np.log((1 + len(texts)) / (1 + frequency[order])) + 1) ** self.power
        self._idf = idf.astype(np.float32)
        self._rare = float((np.log(1 + len(texts)) + 1) ** self.power)
        dropped = np.setdiff1d(np.arange(len(found)), order) if self.unknown else order[:0]
        return self._weighted(counts[:, order], counts[:, dropped].sum(axis=1))

    def transform(self, texts: Sequence[str]) -> Any:
        """Return the features of texts, shape (n, n_features), as ``fit`` does."""
        known, last = self._places, len(self)
        rows = ([known.get(gram, last) for gram in self._of(text)] for text in texts)
        counts = _count(rows, range(last + 1))
        unknown = counts[:, [last]].sum(axis=1) * self.unknown
        return self._weighted(counts[:, :last], unknown)

    def state(self) -> State:
        """Return what was learned."""
        lengths = np.fromiter(
            (len(name.encode("utf-8", "surrogatepass")) for name in self._places),
            np.int32,
            len(self._places),
        )
        names = "".join(self._places).encode("utf-8", "surrogatepass")
        facts = {"unit": self.unit, "unknown": self.unknown, "rare": self._rare}
        blob: NDArray[Any] = np.frombuffer(names, np.uint8)
        return State(facts, {"names": blob, "lengths": lengths, "idf": self._idf})

    @classmethod
    def restored(cls, state: State) -> TextFeatures:
        """Return what ``state`` came from."""
        features = cls(state.facts["unit"], unknown=bool(state.facts["unknown"]))
        features._rare = float(state.facts["rare"])
        names, start = state.arrays["names"].tobytes(), 0
        for place, length in enumerate(state.arrays["lengths"].tolist()):
            name = names[start : start + length].decode("utf-8", "surrogatepass")
            features._places[name] = place
            start += length
        features._idf = state.arrays["idf"]
        return features

    def _kept(self, frequency: NDArray[np.int64], texts: int) -> NDArray[np.int64]:
        """Return the places of the features worth keeping, in order."""
        least = max(self.least, 2 if texts >= MANY_TEXTS else 1)
        keep = np.flatnonzero(frequency >= least)
        if len(keep) > self.most:
            keep = np.sort(keep[np.argsort(-frequency[keep], kind="stable")[: self.most]])
        return keep

    def _weighted(self, counts: Any, unknown: Any) -> Any:
        from scipy import sparse

        values = (1 + np.log(counts.data)) * self._idf[counts.indices]
        own = np.bincount(_rows(counts), weights=values**2, minlength=counts.shape[0])
        # Each unknown word is taken for a word of its own that no text had before.
        squares = own + self._rare**2 * np.asarray(unknown, np.float64).ravel()
        values /= np.sqrt(squares)[_rows(counts)]
        parts = (values.astype(np.float32), counts.indices, counts.indptr)
        return sparse.csr_array(parts, shape=counts.shape)


def _singles(text: str) -> list[str]:
    return _TOKEN.findall(text.lower())


def _words(text: str) -> list[str]:
    tokens = _singles(text)
    return tokens + [f"{a} {b}" for a, b in itertools.pairwise(tokens)]


def _phrases(text: str) -> list[str]:
    tokens = _singles(text)
    # A blank is no token, so that no pair of words is taken for one with a border.
    return tokens + [f"{a} {b}" for a, b in itertools.pairwise((" ", *tokens, " "))]


def _pieces(text: str) -> list[str]:
    return [piece for word in text.lower().split() for piece in _pieces_of(word)]


@functools.lru_cache(2**16)
def _pieces_of(word: str) -> tuple[str, ...]:
    padded, found = f" {word} ", []
    for n in range(PIECES[0], PIECES[1] + 1):
        if n >= len(padded):
            found.append(padded)
            break
        found += [padded[i : i + n] for i in range(len(padded) - n + 1)]
    return tuple(found)


_OF = {"words": _words, "phrases": _phrases, "singles": _singles, "pieces": _pieces}


def _count(rows: Iterable[list[int]], features: Sized) -> Any:
    """Return how often each row has each feature; there may be more when the rows are through."""
    from scipy import sparse

    places, ends = array("i"), [0]
    for row in rows:
        places.extend(row)
        ends.append(len(places))
    indices = np.array(places, np.int32)
    parts = (np.ones(len(indices), np.float32), indices, np.array(ends, np.int32))
    counts = sparse.csr_array(parts, shape=(len(ends) - 1, len(features)))
    counts.sum_duplicates()
    return counts


def _rows(counts: Any) -> NDArray[np.int64]:
    """Return the row of each value of a CSR array."""
    return np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
