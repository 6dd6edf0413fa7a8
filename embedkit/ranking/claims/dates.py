"""The dates of a text, however they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from embedkit.ranking.words import fold

_NAMES = (
    "january jan janvier januar enero gennaio janeiro januari jän janner jaenner",
    "february feb fevrier februar febrero febbraio fevereiro februari",
    "march mar mars marz maerz marzo marco maart",
    "april apr avril abril aprile",
    "may mai mayo maggio maio mei maj",
    "june jun juin juni junio giugno junho",
    "july jul juillet juli julio luglio julho",
    "august aug aout agosto augustus augusti",
    "september sep sept septembre septiembre settembre setembro",
    "october oct okt octobre oktober octubre ottobre outubro",
    "november nov novembre noviembre novembro",
    "december dec dez decembre dezember diciembre dicembre dezembro desember",
)
MONTHS = {name: i for i, listed in enumerate(_NAMES, start=1) for name in listed.split()}
"""Names and abbreviations of months, folded, in English and seven other languages."""
_DAYS = (
    "monday mon montag lundi lunes lunedi maandag mandag",
    "tuesday tue tues dienstag mardi martes martedi dinsdag",
    "wednesday wed mittwoch mercredi miercoles mercoledi woensdag",
    "thursday thu thur thurs donnerstag jeudi jueves giovedi donderdag",
    "friday fri freitag vendredi viernes venerdi vrijdag",
    "saturday sat samstag sonnabend samedi sabado sabato zaterdag",
    "sunday sun sonntag dimanche domingo domenica zondag",
)
WEEKDAYS = {name: i for i, listed in enumerate(_DAYS) for name in listed.split()}

_AMBIGUOUS = frozenset({"may", "march", "mar"})
"""Words too, unless they begin with a capital."""
_ISO = re.compile(r"(?<![\d./-])(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?![\d/-]|\.\d)")
_SLASHED = re.compile(r"(?<![\d./-])(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?![\d/-]|\.\d)")
_EAST = re.compile(r"(?:(\d{4})\s?[年년]\s?)(\d{1,2})\s?[月월](?:\s?(\d{1,2})\s?[日일])?"
                   r"|(?<!\d)(\d{1,2})\s?[月월]\s?(\d{1,2})\s?[日일]")  # fmt: skip
_MONTH = re.compile(r"(?<![^\W_])[^\W\d_]{3,10}(?![^\W_])")
_BEFORE = re.compile(
    r"(?<![\d.,:/])(\d{1,2})(?:st|nd|rd|th|er|\.|º)?(?:\s?[-–—]\s?(\d{1,2})(?:st|nd|rd|th|\.)?)?"
    r"\s{1,2}(?:(?:of|de|di|du|del)\s{1,2})?$"
)
_AFTER = re.compile(
    r"\.?\s{1,2}(?:the\s)?(\d{1,2})(?:st|nd|rd|th)?(?:\s?[-–—]\s?(\d{1,2})(?:st|nd|rd|th)?)?"
    r"(?![\d:]|[.,]\d|\s?%)"
)
_YEAR = re.compile(r"\.?,?\s{1,2}(?:(?:of|de|del|in)\s)?(\d{4}|['’]\d\d)(?![\d]|[.,]\d|\s?%)")
_WINDOW = 32
"""Characters beside the name of a month that may belong to a date."""


class Date(NamedTuple):
    """A date as it stands in a text; None for what it does not say."""

    text: str
    start: int
    end: int
    readings: tuple[tuple[int | None, int, int | None], ...]
    """Year, month and day, once for each way to read it: ``3/5/2020`` has two."""


def dates(text: str) -> list[Date]:
    """Return the dates of a text in order: at least a month with a day or a year.

    The day of the week and a year alone are no dates here: they are a name and a number.
    """
    found = sorted(
        [*_in_digits(text), *_with_names(text)], key=lambda date: (date.start, -date.end)
    )
    listed: list[Date] = []
    for date in found:
        if not listed or date.start >= listed[-1].end:
            listed.append(date)
    return listed


def _in_digits(text: str) -> Iterator[Date]:
    for match in _ISO.finditer(text):
        year, month, day = int(match[1]), int(match[2]), int(match[3])
        if _possible(month, day):
            yield Date(match[0], match.start(), match.end(), ((year, month, day),))
    for match in _SLASHED.finditer(text):
        first, second = int(match[1]), int(match[3])
        years = [int(match[4])] if len(match[4]) == 4 else _years(int(match[4]))
        readings = tuple(
            dict.fromkeys(
                (year, month, day)
                for year in years
                for month, day in ((first, second), (second, first))
                if _possible(month, day)
            )
        )
        if readings:
            yield Date(match[0], match.start(), match.end(), readings)
    for match in _EAST.finditer(text):
        year_ = int(match[1]) if match[1] else None
        month = int(match[2] or match[4])
        told = match[3] or match[5]
        if _possible(month, int(told or 1)):
            reading = (year_, month, int(told) if told else None)
            yield Date(match[0], match.start(), match.end(), (reading,))


def _with_names(text: str) -> Iterator[Date]:
    for match in _MONTH.finditer(text):
        word = match[0]
        month = MONTHS.get(fold(word))
        if month is None or (word.islower() and fold(word) in _AMBIGUOUS):
            continue
        yield from _around(text, match.start(), match.end(), month)


def _around(text: str, start: int, end: int, month: int) -> Iterator[Date]:
    """Yield the date that the name of a month belongs to, if it has a day or a year."""
    first = max(0, start - _WINDOW)
    before = _BEFORE.search(text[first:start])
    days: list[int | None] = []
    if before:
        days = [int(day) for day in before.groups() if day]
        start = first + before.start()
    else:
        after = _AFTER.match(text[end : end + _WINDOW])
        if after:
            days = [int(day) for day in after.groups() if day]
            end += after.end()
    year = _YEAR.match(text[end : end + _WINDOW])
    years: list[int | None] = [None]
    if year:
        told = year[1]
        years = [int(told)] if len(told) == 4 else [*_years(int(told[1:]))]
        end += year.end()
    if not days and not year:
        return
    if all(day is not None and _possible(month, day) for day in days):
        said = text[start:end]
        for day in days or [None]:  # the second day of a range begins where the first has ended
            yield Date(said, start, end, tuple((each, month, day) for each in years))
            start = end


def _possible(month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= 31


def _years(two: int) -> list[int]:
    """Return what a year in two digits may be."""
    return [1900 + two, 2000 + two]
