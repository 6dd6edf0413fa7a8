"""The words that turn what is said, and those that tell nothing."""

from __future__ import annotations

from functools import lru_cache

from embedkit.ranking.languages import FUNCTION_WORDS

NEGATIONS = frozenset(
    """
    no not never none nobody nothing neither nor without cannot hardly unable fails fail failed
    lack lacks nicht kein keine keinen ohne nie ne pas sans jamais sin nunca non senza mai nao sem
    niet geen zonder
    """.split()  # noqa: SIM905
)
OPPOSITES = frozenset(
    """
    more less most least many few increase increases increased increasing decrease decreases
    decreased decreasing rise rises rose risen fall falls fell fallen gain gains gained loss lose
    loses lost win wins won up down high higher highest low lower lowest above below over under
    before after better best worse worst good bad large larger largest small smaller smallest big
    bigger long longer short shorter fast faster slow slower early earlier late later first last
    add adds added remove removes removed open opens opened close closes closed accept accepts
    accepted reject rejects rejected true false yes all some old new only also always supervised
    unsupervised with within improve improves improved reduce reduces reduced
    """.split()  # noqa: SIM905
)
"""Words whose exchange turns what is said; a text with one that the other lacks says otherwise."""


def negates(word: str) -> bool:
    """Whether a folded word says that something is not so."""
    return word in NEGATIONS or word.endswith("n't")


@lru_cache(maxsize=1)
def small_words() -> frozenset[str]:
    """Return the small words of all languages that tell nothing, negations not among them."""
    return frozenset().union(*FUNCTION_WORDS.values()) - NEGATIONS - OPPOSITES
