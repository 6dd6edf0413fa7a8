"""Numbers as words: of English by their grammar, of some other languages one word at a time."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

SMALL = {
    word: i
    for i, word in enumerate(
        """
    zero one two three four five six seven eight nine ten eleven twelve thirteen
    fourteen fifteen sixteen seventeen eighteen nineteen
    """.split()  # noqa: SIM905
    )
}
TENS = {
    word: 10 * i
    for i, word in enumerate(
        "twenty thirty forty fifty sixty seventy eighty ninety".split(),  # noqa: SIM905
        start=2,
    )
}
SCALES = {
    "hundred": 100,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "dozen": 12,
    "lakh": 10**5,
    "crore": 10**7,
}
_ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7,
    "eighth": 8, "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12, "hundredth": 100,
    "thousandth": 1000, "twentieth": 20, "thirtieth": 30, "fortieth": 40, "fiftieth": 50,
}  # fmt: skip
ORDINALS = _ORDINALS | {
    f"{word}th": value for word, value in SMALL.items() if 12 < value < 20
}  # fmt: skip
PARTS = {
    "half": 2, "halves": 2, "quarter": 4, "quarters": 4, "third": 3, "thirds": 3, "fourth": 4,
    "fourths": 4, "fifth": 5, "fifths": 5, "sixth": 6, "sixths": 6, "eighth": 8, "eighths": 8,
    "tenth": 10, "tenths": 10,
}  # fmt: skip
"""What a whole is divided into, as in ``two thirds``."""
LOOSE = {
    "once": 1, "twice": 2, "thrice": 3, "both": 2, "couple": 2, "pair": 2, "pairs": 2, "duo": 2,
    "double": 2, "doubled": 2, "doubles": 2, "twofold": 2, "triple": 3, "tripled": 3, "trio": 3,
    "threefold": 3, "quadruple": 4, "fourfold": 4, "tenfold": 10, "single": 1, "dozen": 12,
    "bi": 2, "dual": 2, "binary": 2, "twin": 2, "twins": 2, "decade": 10, "century": 100,
}  # fmt: skip
"""Words that support a number in the source and claim none in a candidate."""
NOT_CLAIMED = frozenset({"one", "first", "second", "zero"})
"""Words that are numbers, and far more often something else."""
ABOUT = frozenset(
    """
    about around roughly approximately nearly almost circa some ca ungefähr etwa
    rund environ aproximadamente casi circa quasi cerca
    """.split()  # noqa: SIM905
)
"""Words that say that the number behind them is rounded."""
ATTACHED: dict[str, tuple[int, ...]] = {
    "k": (10**3,), "K": (10**3,), "M": (10**6,), "B": (10**9,), "bn": (10**9,), "Bn": (10**9,),
    "mn": (10**6,), "m": (10**6, 1), "b": (10**9, 1), "tn": (10**12,), "T": (10**12, 1),
    "mio": (10**6,), "Mio": (10**6,), "mrd": (10**9,), "Mrd": (10**9,),
}  # fmt: skip
"""What a number is multiplied by where such letters stand right behind it."""
SPELLED: dict[str, tuple[int, ...]] = {
    **{word: (value,) for word, value in SCALES.items()},
    **{f"{word}s": (value,) for word, value in SCALES.items()},
    "bn": (10**9,), "mn": (10**6,), "k": (10**3,),
    "tausend": (10**3,), "mille": (10**3,), "mil": (10**3,), "mila": (10**3,),
    "duizend": (10**3,), "tusen": (10**3,), "million": (10**6,), "millionen": (10**6,),
    "millones": (10**6,), "millon": (10**6,), "milhoes": (10**6,), "milhao": (10**6,),
    "milione": (10**6,), "milioni": (10**6,), "miljoen": (10**6,), "mio": (10**6,),
    "milliarde": (10**9,), "milliarden": (10**9,), "milliard": (10**9,), "milliards": (10**9,),
    "miliardi": (10**9,), "miliardo": (10**9,), "miljard": (10**9,), "mrd": (10**9,),
    "billionen": (10**12,), "billones": (10**12,),
}  # fmt: skip
"""What a number is multiplied by where such a word follows it, folded."""

_FOREIGN = {
    "German": "zwei:2 drei:3 vier:4 funf:5 sechs:6 sieben:7 acht:8 neun:9 zehn:10 elf:11 zwolf:12"
    " dreizehn:13 vierzehn:14 funfzehn:15 sechzehn:16 siebzehn:17 achtzehn:18 neunzehn:19"
    " zwanzig:20 dreissig:30 vierzig:40 funfzig:50 sechzig:60 siebzig:70 achtzig:80 neunzig:90"
    " hundert:100 tausend:1000",
    "French": "deux:2 trois:3 quatre:4 cinq:5 six:6 sept:7 huit:8 neuf:9 dix:10 onze:11 douze:12"
    " treize:13 quatorze:14 quinze:15 seize:16 dix-sept:17 dix-huit:18 dix-neuf:19 vingt:20"
    " trente:30 quarante:40 cinquante:50 soixante:60 soixante-dix:70 quatre-vingt:80"
    " quatre-vingts:80 quatre-vingt-dix:90 cent:100 mille:1000",
    "Spanish": "dos:2 tres:3 cuatro:4 cinco:5 seis:6 siete:7 ocho:8 nueve:9 diez:10 once:11"
    " doce:12 trece:13 catorce:14 quince:15 dieciseis:16 diecisiete:17 dieciocho:18"
    " diecinueve:19 veinte:20 treinta:30 cuarenta:40 cincuenta:50 sesenta:60 setenta:70"
    " ochenta:80 noventa:90 cien:100 ciento:100 mil:1000",
    "Italian": "due:2 tre:3 quattro:4 cinque:5 sei:6 sette:7 otto:8 nove:9 dieci:10 undici:11"
    " dodici:12 tredici:13 quattordici:14 quindici:15 sedici:16 diciassette:17 diciotto:18"
    " diciannove:19 venti:20 trenta:30 quaranta:40 cinquanta:50 sessanta:60 settanta:70"
    " ottanta:80 novanta:90 cento:100 mille:1000",
    "Portuguese": "dois:2 duas:2 tres:3 quatro:4 cinco:5 seis:6 sete:7 oito:8 nove:9 dez:10"
    " onze:11 doze:12 treze:13 catorze:14 quinze:15 dezesseis:16 dezessete:17 dezoito:18"
    " dezenove:19 vinte:20 trinta:30 quarenta:40 cinquenta:50 sessenta:60 setenta:70 oitenta:80"
    " noventa:90 cem:100 cento:100 mil:1000",
    "Dutch": "twee:2 drie:3 vier:4 vijf:5 zes:6 zeven:7 acht:8 negen:9 tien:10 elf:11 twaalf:12"
    " dertien:13 veertien:14 vijftien:15 zestien:16 zeventien:17 achttien:18 negentien:19"
    " twintig:20 dertig:30 veertig:40 vijftig:50 zestig:60 zeventig:70 tachtig:80 negentig:90"
    " honderd:100 duizend:1000",
}
_JOINED = {"German": "und", "Dutch": "en"}
"""How a language joins a unit and a ten, the unit first."""
_UNITS = {"German": {"ein": 1, "eine": 1}, "Dutch": {"een": 1}}


@lru_cache(maxsize=16)
def foreign(language: str) -> dict[str, int | Fraction]:
    """Return the words for numbers of a language other than English; empty where none are known.

    In German and Dutch, ``einundzwanzig`` and ``tweehonderd`` too; elsewhere each word of a longer
    number counts for itself.
    """
    single = {
        word: int(value)
        for word, _, value in (each.partition(":") for each in _FOREIGN.get(language, "").split())
    }
    found: dict[str, int | Fraction] = dict(single)
    link = _JOINED.get(language)
    if link:
        units = {word: value for word, value in single.items() if value < 10}
        tens = {word: value for word, value in single.items() if value in range(20, 100, 10)}
        for unit, ones in {**units, **_UNITS[language]}.items():
            found |= {f"{unit}{link}{ten}": ones + value for ten, value in tens.items()}
            found |= {
                f"{unit}{word}": ones * value for word, value in single.items() if value >= 100
            }
    return found
