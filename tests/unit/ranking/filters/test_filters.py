"""What each filter rejects, and what it lets pass."""

from __future__ import annotations

from typing import Any

import pytest

from embedkit import registry
from embedkit.errors import InvalidInputError
from embedkit.ranking.filters import ANSWERS, DEFAULT, default_filters
from embedkit.ranking.pool import Limits
from embedkit.testing.candidate_filters import GOOD, SOURCE, make_pool

ASK = "Who built the bridge over the river Aar?"
PROMPT = f"""You summarize texts. Keep to what the text says and add nothing of your own.

Text: Two dogs live in the red house by the lake.
Summary: There are two dogs in a house.

Text: {SOURCE}
Summary:"""


def reason(spec: str, text: str, **options: Any) -> str | None:
    """Return what a filter says of one text."""
    found: list[str | None] = registry.create("filter", spec).reject(make_pool([text], **options))
    return found[0]


@pytest.mark.parametrize("text", ["", " \n\t", "?!", "…", "-- * --", "😀"])
def test_empty(text: str) -> None:
    assert reason("empty", text) is not None
    others = [name for name in registry.names("filter") if name != "empty"]
    if not text.strip():
        assert [reason(name, text) for name in others] == [None] * len(others)


@pytest.mark.parametrize("text", ["a", "7", "東", GOOD])
def test_not_empty(text: str) -> None:
    assert reason("empty", text) is None


CUT = [
    "The bridge was built by",
    "The bridge was built by the",
    "It is long, and it was built within",
    "The bridge, which was opened in 1902,",
    "The bridge (opened in",
    "It is 120 metres long. It was built by Anna Keller. Cars use the",
    "It is 120 metres long. It was built by Anna Keller and many others who came",
    "The bridge is one of the...",
    "Die Brücke wurde von der",
    "Here is the summary:",
]
WHOLE = [
    GOOD,
    "A bridge over the Aar",
    "A bridge over the Aar!",
    'She said: "It is done."',
    "It is done (by the town).",
    "東京都は日本の首都である。",
    "- It is 120 metres long\n- It was built by Anna Keller",
    "1. It is 120 metres long.\n2. Anna Keller built it",
    "The town wants lanes [1].",
    "It costs 5 %",
    "The bridge is one we live on",
]


@pytest.mark.parametrize("text", CUT)
def test_cut_off(text: str) -> None:
    assert "in the middle" in str(reason("cut-off", text))


@pytest.mark.parametrize("text", WHOLE)
def test_not_cut_off(text: str) -> None:
    assert reason("cut-off", text) is None
    assert "limit of tokens" in str(reason("cut-off", text, finish="length"))


def test_an_extract_may_end_without_a_full_stop() -> None:
    assert reason("cut-off", CUT[5]) is not None
    assert reason("cut-off", CUT[5], extracts=[0]) is None


def test_length() -> None:
    assert reason("length", "two words") == "too short: 2 words, at least 3 wanted"
    assert reason("length", "two words", question=ASK) is None
    assert reason("length?most=4", GOOD) == "too long: 18 words, at most 4 wanted"
    assert reason("length", GOOD, limits=Limits(20, 30)) == (
        "too short: 18 words, at least 20 wanted"
    )
    assert reason("length?least=5", GOOD, limits=Limits(20, 30)) is None
    assert reason("length", GOOD, limits=Limits(None, 18)) is None
    assert reason("length", "One", limits=Limits(None, 2)) is None
    assert "the source itself" in str(reason("length", f"{SOURCE} {SOURCE}"))
    assert reason("length", "A house is big, says the man.", source="A house is big.") is None


def test_copied() -> None:
    sentence = "It is 120 metres long and was\nbuilt by Anna Keller, an engineer from Bern"
    assert "copied" in str(reason("copied", sentence))
    assert reason("copied", sentence, extracts=[0]) is None
    assert "copied" in str(reason("copied", sentence.upper().replace("\n", " ") + "!"))
    assert reason("copied", GOOD) is None
    chosen = f"{sentence}. Today some 9,000 cars use the bridge each day."
    assert reason("copied", chosen) is None, "chosen from two places"
    assert reason("copied", "The council decides in autumn.") is None, "too short to be a copy"
    assert reason("copied?run=4", "The council decides in autumn.") is not None
    half = f"{sentence}, whom nobody had heard of before that time in all of the country."
    assert reason("copied", half) is None
    assert reason("copied?most=0.4", half) is not None


def test_repetitive() -> None:
    assert "in a row" in str(reason("repetitive", "The bridge is long long long long."))
    assert "in a row" in str(reason("repetitive", "It is a bridge, is a bridge, is a bridge."))
    assert "twice" in str(reason("repetitive", f"{GOOD} It is long. {GOOD}"))
    turned = (
        "The town of Bern has a bridge and the town of Bern has a river and the town of Bern has"
    )
    assert "stood before" in str(reason("repetitive", turned))
    assert reason("repetitive", GOOD) is None
    assert reason("repetitive", "Ha, ha, that is very, very good.") is None
    assert reason("repetitive", "It counts 1 1 1, says she, and then it goes on.") is None


def test_other_language() -> None:
    german = "Die Brücke über die Aare wurde von einer Frau gebaut und ist für Autos und Räder."
    assert reason("other-language", german) == "written in German, the source in English"
    assert reason("other-language", german, question="Wer hat die Brücke über den Fluss gebaut, und"
                  " wann ist das gewesen?") is None  # fmt: skip
    assert "Han script" in str(reason("other-language", "桥梁由一位来自伯尔尼的女工程师建造而成"))
    assert "Cyrillic" in str(reason("other-language", "Мост построила Анна Келлер из Берна"))
    assert reason("other-language", GOOD) is None
    assert reason("other-language", "Anna Keller, Bern") is None, "names tell no language"
    assert reason("other-language", german, source="???") is None


@pytest.mark.parametrize(
    "text",
    [
        "The bridge \ufffd is long.",
        "The bridge \x00 is long.",
        "The bridge is very schÃ¶n.",
        "{}[]<>;;;==##$$%%^^&&** a",
        "The " + "bridge" * 10,
    ],
)
def test_garbled(text: str) -> None:
    assert reason("garbled", text) is not None


def test_not_garbled() -> None:
    assert reason("garbled", GOOD) is None
    assert reason("garbled", "The schÃ¶n one", source="It is a schÃ¶n one") is None
    assert reason("garbled", "Ελλάδα, 東京都, שלום, مرحبا, हिन्दी में") is None


@pytest.mark.parametrize(
    "text",
    [
        f"Summary: {GOOD}",
        f"**Summary:** {GOOD}",
        f"{GOOD}\nText: Two dogs",
        f"{GOOD}\n\nQuestion: and now?",
        f"User: {GOOD}",
        f"{GOOD}<|im_end|>",
        f"### {GOOD}",
        f"Here is a short summary of the text: {GOOD}",
        f"Sure! Here's the summary you asked for. {GOOD}",
        "As an AI language model, I have no opinion of bridges.",
        "I'm sorry, but there is no text.",
        "You summarize texts. Keep to what the text says and add nothing.",
        "There are two dogs in a house.",
        "Two dogs live in the red house by the lake.",
    ],
)
def test_echo(text: str) -> None:
    assert reason("echo", text, prompt=PROMPT) is not None


def test_echo_of_a_question() -> None:
    assert "question" in str(reason("echo", f"{ASK} Anna Keller.", question=ASK))
    assert reason("echo", "Anna Keller built the bridge over the river Aar.", question=ASK) is None
    assert reason("echo", "Who? Keller.", question="Who?") is None


def test_no_echo() -> None:
    assert reason("echo", GOOD, prompt=PROMPT) is None
    assert reason("echo", SOURCE, prompt=PROMPT) is None, "what the source says is no echo"
    assert reason("echo", "Title: a man", source="Title: a man goes home") is None
    assert reason("echo", "The answer is yes: it is a bridge.") is None
    assert reason("echo", f"Summary: {GOOD}", extracts=[0]) is None


def test_off_topic() -> None:
    other = "Bake the cake for an hour in a hot oven, then let it cool and add some sugar."
    assert "something else" in str(reason("off-topic", other))
    assert reason("off-topic", other, extracts=[0]) is None
    assert reason("off-topic", GOOD) is None
    assert reason("off-topic?least=0", other) is None


def test_unsupported() -> None:
    text = "Ben Smith built 48 bridges with BERT on 5 May 1902 in Rome, 12 of them in Oslo."
    told = str(reason("unsupported", text))
    assert told.startswith("the name Ben Smith")
    assert "the number 48 is not in the source" in told
    assert told.endswith("and 4 more") or "more" in told
    assert reason("unsupported?names=no&numbers=no", text) == (
        "the date 5 May 1902 is not in the source"
    )
    assert reason("unsupported?names=no&numbers=no&dates=no", text) is None
    assert reason("unsupported", GOOD) is None


def test_ungrounded() -> None:
    assert reason("ungrounded", "The bridge was built by Anna Keller.", question=ASK) is None
    assert reason("ungrounded", "Anna Keller", question=ASK) is None
    wrong = "Anna Keller built it. Cakes need an hour in a hot oven with sugar."
    told = str(reason("ungrounded", wrong, question=ASK))
    assert '"Cakes need' in told
    assert reason("ungrounded?least=0", wrong, question=ASK) is None


@pytest.mark.parametrize(
    "spec",
    [
        "length?most=0", "length?least=9&most=3", "copied?most=2", "copied?run=0",
        "off-topic?least=-1", "repetitive?most=7", "echo?run=0", "garbled?least=3",
        "ungrounded?least=2", "length?longest=3", "unsupported?names=maybe",
    ],
)  # fmt: skip
def test_options_that_cannot_be_meant(spec: str) -> None:
    with pytest.raises(InvalidInputError, match=spec.partition("?")[0]):
        registry.create("filter", spec)


def test_the_defaults() -> None:
    assert default_filters() == DEFAULT
    assert default_filters(" ") == DEFAULT
    assert default_filters(ASK) == ANSWERS
    rejected = [reason(spec, GOOD, prompt=PROMPT) for spec in DEFAULT]
    assert rejected == [None] * len(DEFAULT)
    assert [reason(spec, "Anna Keller", question=ASK) for spec in ANSWERS] == [None] * len(ANSWERS)
