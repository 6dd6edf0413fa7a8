"""Which script and which language a text is in, as far as its letters and small words tell."""

from __future__ import annotations

import unicodedata
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

from embedkit.ranking.words import words

FUNCTION_WORDS: dict[str, frozenset[str]] = {
    name: frozenset(listed.split())
    for name, listed in {
        "English": """the of and to in is that for it was with as on be by this are from at or an
            which have not but had has they you were their its we who been when there can more if
            will would what about than into only other some could these then our also such how
            between both under over while during after before where most those through because
            each does did should against without within however i a my me he she his her him your
            us them so no do all any may just here very being out up""",
        "German": """der die das und ist nicht ein eine einen einem einer zu den von mit auf fur im
            sich des dem als auch es an werden aus er hat dass sie nach wird bei noch wie um uber
            vor sind durch kann so nur zum zur war haben oder aber wurde wurden sein ihre seine
            mehr am wir ich dieser diese dieses wenn""",
        "French": """le la les des et est une un dans que qui pour par sur au aux avec ne pas plus
            ce cette ces il elle sont ont ete etait mais ou son sa ses leur leurs nous vous du de
            se en comme entre aussi fait etre d'un d'une c'est""",
        "Spanish": """el la los las de del que en un una por con para es no se su sus al lo como mas
            pero fue ha son este esta estos estas entre cuando muy sin sobre tambien hasta desde
            y o ya era han ser""",
        "Italian": """il lo la gli le di del della dei delle che un una per con non e si da dal
            dalla nel nella sono come piu ma anche alla ai alle dell' questo questa ha hanno era
            essere stato o""",
        "Portuguese": """o os as de do da dos das que em um uma por com para nao se no na nos nas
            ao e mais como mas foi sao este esta seu sua pelo pela ou ser quando muito ja entre
            tambem tem foram""",
        "Dutch": """de het een van en in is dat op te zijn met voor niet aan er om ook als bij maar
            door naar uit hij zij ze dit deze wordt werd worden hebben heeft over tot kan nog wel
            meer dan""",
        "Swedish": """och att det som en ett av for med den till inte om de har var sig fran men
            vid kan hade ar pa nar eller efter ska han hon""",
        "Polish": """i w na z do nie sie jest to ze o jak po co ale za przez od dla sa oraz byl
            byla ktory ktora ktore tym jego jej""",
        "Turkish": """ve bir bu da de icin ile olarak en cok daha gibi kadar sonra olan ne ama
            var veya olan oldu""",
    }.items()
}
"""Folded, as :func:`words` returns them."""

LOOK = 20_000
"""Characters that are looked at."""
_LEAST_LETTERS = 12
_LEAST_WORDS = 3
"""Small words of a language that must be found before it is named."""
_SCRIPTS = {"CJK": "Han", "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Korean"}


class Language(NamedTuple):
    """What is known of a text; an empty name where it does not tell."""

    script: str
    """Such as ``Latin``, ``Cyrillic``, ``Han``."""
    name: str
    """Such as ``English``; known for some languages in Latin script."""


@lru_cache(maxsize=64)
def language(text: str) -> Language:
    """Return the script of most letters of a text, and the language where its small words tell.

    A language is named only where three of its small words stand in the text and at least a
    quarter more than of any other, so that a title or a list of names has none.
    """
    text = text[:LOOK]
    found = script(text)
    if found != "Latin":
        return Language(found, "")
    counts = Counter(words(text))
    scores = sorted(
        (
            (sum(counts[word] for word in listed if word in counts), name)
            for name, listed in FUNCTION_WORDS.items()
        ),
        reverse=True,
    )
    (most, name), (second, _) = scores[:2]
    return Language(found, name if most >= _LEAST_WORDS and most >= 1.25 * second else "")


def script(text: str) -> str:
    """Return the script of most letters of a text; empty where it has too few letters."""
    letters = Counter(c for c in text if c.isalpha())
    if letters.total() < _LEAST_LETTERS:
        return ""
    scripts: Counter[str] = Counter()
    for letter, count in letters.items():
        scripts[_script_of(letter)] += count
    kana = scripts.pop("Japanese", 0)
    if kana:  # Japanese is written in both
        scripts["Japanese"] = kana + scripts.pop("Han", 0)
    return max(scripts.items(), key=lambda item: (item[1], item[0]))[0]


@lru_cache(maxsize=4096)
def _script_of(letter: str) -> str:
    first = unicodedata.name(letter, "").split(" ")[0].split("-")[0]
    return _SCRIPTS.get(first, first.capitalize())


def has_capitals(text: str) -> bool:
    """Whether most letters of a text are of a script that tells capitals from small letters."""
    letters = [c for c in text[:LOOK] if c.isalpha()]
    return 2 * sum(c.lower() != c.upper() for c in letters) >= len(letters) > 0
