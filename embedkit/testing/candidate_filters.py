"""What every filter of candidates must do: plain functions that raise AssertionError.

An author of a filter writes ``check_candidate_filter(lambda: MyFilter())``; the tests of embedkit
run the same checks over every filter in its registry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from embedkit.embedders.hashing import HashingEmbedder
from embedkit.protocols import Filter
from embedkit.ranking.pool import Limits, Pool
from embedkit.types import Candidate

if TYPE_CHECKING:
    from embedkit.protocols import Embedder

Factory: TypeAlias = Callable[[], Filter]

SOURCE = """The bridge over the river Aar was opened on 4 May 1902. It is 120 metres long and was
built by Anna Keller, an engineer from Bern, within two years. Before, people crossed by a ferry,
which sank in the flood of 1899. Today some 9,000 cars use the bridge each day, and the town wants
to close one of its two lanes for bicycles. The council decides in autumn."""
GOOD = "Anna Keller built the 120 metre bridge over the Aar, where a lane may soon be for bicycles."
TEXTS = [
    GOOD,
    "",
    "   \n",
    "?!",
    "…",
    "The the the the the the",
    "Où est la bibliothèque ? Straße, Ελλάδα, 東京都, שלום עולם, مرحبا",
    "Smile 😀, a family 👩‍👩‍👧 and a flag 🇳🇱",
    "a\0b \ufffd",
    "word " * 700,
    "1" * 5000,
    f"half a {chr(0xD83D)}",
    "The bridge is 150 metres long and was built by Barack Obama on 5 May 1903 of",
]
"""One that nothing is wrong with; empty ones; other scripts; broken and endless ones."""


def make_pool(
    texts: Sequence[str],
    *,
    source: str = SOURCE,
    question: str = "",
    prompt: str = "",
    finish: str = "stop",
    extracts: Sequence[int] = (),
    limits: Limits | None = None,
    embedder: Embedder | None = None,
) -> Pool:
    """Return a pool of texts about a source, embedded by hashing where nothing else is given."""
    return Pool(
        source=source,
        candidates=tuple(Candidate(text, finish) for text in texts),
        embedder=embedder or HashingEmbedder(),
        question=question,
        prompt=prompt,
        limits=limits or Limits(),
        extracts=frozenset(extracts),
    )


def check_candidate_filter(factory: Factory) -> None:
    """Run every check of a filter.

    Parameters
    ----------
    factory : callable
        Builds the filter; called more than once.

    Raises
    ------
    AssertionError
        On the first thing that a filter must do and this one does not.
    """
    for check in CANDIDATE_FILTER_CHECKS:
        check(factory)


def check_protocol(factory: Factory) -> None:
    """It offers what callers type against, under a name."""
    filter_ = factory()
    assert isinstance(filter_, Filter)
    assert filter_.name.strip()


def check_form(factory: Factory) -> None:
    """It gives one reason or None a candidate; a reason is one line with words."""
    for pool in _pools():
        reasons = factory().reject(pool)
        assert isinstance(reasons, list)
        assert len(reasons) == len(pool)
        for reason in reasons:
            assert reason is None or isinstance(reason, str)
            if reason is not None:
                assert any(map(str.isalpha, reason)), f"no words in the reason {reason!r}"
                assert reason.isprintable(), f"more than one plain line: {reason!r}"


def check_no_candidates(factory: Factory) -> None:
    """No candidates have no reasons."""
    assert factory().reject(make_pool([])) == []


def check_one_candidate(factory: Factory) -> None:
    """What it says of a candidate does not depend on the others."""
    texts = TEXTS[:-2]  # what cannot be embedded is the embedder's to refuse
    for text, reason in zip(texts, factory().reject(make_pool(texts)), strict=True):
        assert factory().reject(make_pool([text])) == [reason], text


def check_good(factory: Factory) -> None:
    """It has nothing against a faithful summary."""
    assert factory().reject(make_pool([GOOD])) == [None]


def check_repeatable(factory: Factory) -> None:
    """Two filters say the same, and one says it twice; the pool stays as it was."""
    for pool, again in zip(_pools(), _pools(), strict=True):
        filter_ = factory()
        first = filter_.reject(pool)
        assert filter_.reject(pool) == first
        assert factory().reject(again) == first
        assert pool == again or pool.texts == again.texts


def check_odd_sources(factory: Factory) -> None:
    """It stands sources that hold nothing, one line without end, other scripts."""
    for source in ("", " \n", "?", "x" * 5000, "1 " * 3000, "東京都は日本の首都である。" * 5):
        pool = make_pool(TEXTS[:8], source=source)
        assert len(factory().reject(pool)) == 8


CANDIDATE_FILTER_CHECKS: tuple[Callable[[Factory], None], ...] = (
    check_protocol,
    check_form,
    check_no_candidates,
    check_one_candidate,
    check_good,
    check_repeatable,
    check_odd_sources,
)
"""Every check of filters of candidates."""


def _pools() -> list[Pool]:
    """Return pools of one kind each: summaries, answers, extracts, with limits, cut off."""
    texts = [text for text in TEXTS if text.isprintable() or "\0" in text or "\n" in text]
    whole = [text for text in texts if not any("\ud800" <= c <= "\udfff" for c in text)]
    return [
        make_pool(whole),
        make_pool(whole, question="Who built the bridge over the Aar?"),
        make_pool(whole, prompt=f"Say it in one short sentence, please.\n\n{SOURCE}\n\nSummary:"),
        make_pool(whole, extracts=range(len(whole))),
        make_pool(whole, limits=Limits(5, 20)),
        make_pool(whole, finish="length"),
    ]
