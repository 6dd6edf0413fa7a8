"""The extractive generator: sentences of the source, in its order, as they stand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import embedkit
from embedkit.errors import InvalidInputError, UnknownBackendError, UnsupportedOperationError
from embedkit.generators import extractive
from embedkit.generators.extractive import ExtractiveGenerator
from embedkit.generators.extracts.units import units_of
from embedkit.protocols import SourceGenerator
from embedkit.ranking.words import count_words
from embedkit.types import Message

FERRY = """The ferry between the two islands stopped on Monday. A storm had broken its rudder.
The harbour master said that a new rudder comes from the mainland on Thursday. Until then a small
boat carries the post. Fishermen take passengers for a few coins. The school on the smaller island
is closed. The bakery has flour for three days. The ferry will sail again on Friday, the harbour
master said."""
SENTENCES = [unit.text for unit in units_of([FERRY])]


def make(**options: object) -> ExtractiveGenerator:
    return ExtractiveGenerator(embedder="hashing?dim=128", **options)  # type: ignore[arg-type]


def parts(text: str, source: list[str] = SENTENCES) -> list[int]:
    """Return which sentences an extract is made of; it must be made of nothing else."""
    found, left = [], text
    for place, sentence in enumerate(source):
        if left.startswith(sentence):
            found.append(place)
            left = left[len(sentence) :].lstrip()
    assert not left, f"not of the source, or not in its order: {left!r}"
    return found


def test_extracts_are_sentences_of_the_source_in_its_order() -> None:
    found = make().from_sources([FERRY], n=8)
    assert len({one.text for one in found}) == 8
    assert all(1 <= len(parts(one.text)) <= 3 for one in found)
    assert {one.finish_reason for one in found} == {"stop"}


def test_candidates_really_differ() -> None:
    found = [set(parts(one.text)) for one in make().from_sources([FERRY], n=5)]
    assert len({len(one) for one in found}) > 1, "all of one length"
    assert len(set.union(*found)) >= 5, "all of the same sentences"
    assert any({0, 1} <= one for one in found), "none keeps to the lead"


def test_the_first_is_the_same_however_many_are_asked_for() -> None:
    all_of_them = make().from_sources([FERRY], n=6)
    assert make().from_sources([FERRY], n=2) == all_of_them[:2]
    assert make().from_sources([FERRY], n=6, seed=5) == all_of_them


def test_a_number_of_words_is_kept_to() -> None:
    for most in (8, 20, 35):
        found = make().from_sources([FERRY], n=5, most_words=most)
        assert all(count_words(one.text) <= most for one in found)


def test_where_no_sentence_is_as_short_the_best_one_is_given_whole() -> None:
    (found,) = make().from_sources([FERRY], n=3, most_words=2)
    assert len(parts(found.text)) == 1


def test_the_number_of_sentences_is_kept_to() -> None:
    found = make(sentences=2).from_sources([FERRY], n=6)
    assert len(parts(found[0].text)) == 2
    assert max(len(parts(one.text)) for one in found) == 2
    assert len(parts(make(sentences=5).from_sources([FERRY])[0].text)) == 5


def test_diversity_passes_over_what_says_the_same() -> None:
    said = "The new bridge opens on Friday."
    again = "The new bridge opens on Friday morning."
    text = f"{said} {again} The new bridge opens. Cows graze in a field."
    alike = make(sentences=2, diversity=0.0).from_sources([text])[0].text
    unlike = make(sentences=2, diversity=1.0).from_sources([text])[0].text
    assert "Cows" not in alike
    assert "Cows" in unlike


def test_a_short_text_gives_fewer_candidates_and_generate_repeats_them() -> None:
    text = "Only one sentence stands here."
    assert [one.text for one in make().from_sources([text], n=5)] == [text]
    assert [one.text for one in make().generate(text, n=3)] == [text] * 3


@pytest.mark.parametrize("text", ["", "  \n ", "?! …"])
def test_what_holds_no_word_gives_nothing(text: str) -> None:
    assert make().from_sources([text], n=2) == []
    assert make().from_sources([], n=2) == []


def test_it_takes_the_last_message() -> None:
    turns = [Message("system", "Be brief."), Message("user", FERRY)]
    assert make().generate(turns, n=2) == make().generate(FERRY, n=2)


def test_several_sources_are_one_text_with_several_beginnings() -> None:
    other = "The mill was sold. Its new owner grinds rye and oats. Rye bread costs less now."
    found = make(sentences=4).from_sources([FERRY, other], n=4)
    both = SENTENCES + [unit.text for unit in units_of([other])]
    taken = [parts(one.text, both) for one in found]
    assert any(min(one) < len(SENTENCES) <= max(one) for one in taken)


def test_a_question_is_answered_by_the_nearest_sentence() -> None:
    found = make().from_sources([FERRY], question="Who carries the post until then?", n=4)
    place = SENTENCES.index("Until then a small\nboat carries the post.")
    assert parts(found[0].text) == [place]
    assert [place, place + 1] in [parts(one.text) for one in found]
    assert len({one.text for one in found}) == 4


def test_an_answer_does_not_run_into_the_next_passage() -> None:
    passages = ["The harbour is deep. The ferry sails on Friday.", "Cows graze in a field."]
    found = make().from_sources(passages, question="When sails the ferry on Friday?", n=6)
    assert "The ferry sails on Friday." in [one.text for one in found]
    assert not any(one.text.startswith("The ferry sails on Friday. Cows") for one in found[1:2])


def test_a_stretch_without_full_stops_is_cut_and_says_so() -> None:
    endless = " ".join(f"word{i}" for i in range(5000))
    found = make().from_sources([endless], n=3)
    assert all(one.finish_reason == "length" for one in found)
    listed = "\n".join(f"item {i} of the long list" for i in range(200))
    assert all(one.finish_reason == "stop" for one in make().from_sources([listed], n=3))


def test_a_text_without_blanks_is_cut_too() -> None:
    found = make().from_sources(["x" * 100_000], n=3)
    assert all(len(one.text) <= 6100 and one.finish_reason == "length" for one in found)


def test_scripts_without_blanks() -> None:
    text = "猫は魚を食べる。犬は庭で眠る。鳥は空を飛ぶ。雨が町に降る。"
    (found,) = make(sentences=2).from_sources([text])
    assert found.text.count("。") == 2
    assert " " not in found.text


def test_a_long_text_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extractive, "MOST", 40)
    monkeypatch.setattr(extractive, "BLOCK", 20)
    filler = [f"Row {i} tells of {i * i} grey stones." for i in range(400)]
    texts = [*filler, "The stones of every row are grey stones."]
    texts.insert(377, "Purple elephants quarrel noisily.")
    told: list[tuple[str, int, int]] = []
    found = make(sentences=3).from_sources(
        [" ".join(texts)], n=3, progress=lambda *step: told.append(step)
    )
    assert all(parts(one.text, texts) for one in found)
    assert told[0][1:] == (20, 402)
    assert told[-1][1] == 402
    asked = make().from_sources([" ".join(texts)], question="Which elephants quarrel?", n=1)
    assert asked[0].text == "Purple elephants quarrel noisily."


def test_what_it_cannot_honour_is_refused() -> None:
    with pytest.raises(UnsupportedOperationError, match="temperature"):
        make().generate(FERRY, temperature=0.5)


@pytest.mark.parametrize(
    "spec", ["extractive?sentences=0", "extractive?diversity=1.5", "extractive?diversity=nan"]
)
def test_options_out_of_bounds(spec: str) -> None:
    with pytest.raises(InvalidInputError, match=r"sentences|diversity"):
        embedkit.generator(spec)


def test_options_by_spec() -> None:
    made = embedkit.generator("extractive?embedder=hashing&sentences=2&diversity=0.5")
    assert isinstance(made, SourceGenerator)
    assert made.model_id == "extractive?embedder=hashing&sentences=2&diversity=0.5"
    assert len(parts(made.from_sources([FERRY])[0].text)) == 2
    with pytest.raises(UnknownBackendError, match="minilm"):
        embedkit.generator("extractive?embedder=minilmm").generate(FERRY)


@pytest.mark.parametrize("bad", [{"n": 0}, {"n": True}, {"most_words": 0}, {"question": None}])
def test_what_cannot_be_meant(bad: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        make().from_sources([FERRY], **bad)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="list of texts"):
        make().from_sources(FERRY)


WORDS = st.text("abcde ", min_size=1, max_size=30).map(str.strip).filter(bool)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=9), st.integers(1, 12), st.integers(1, 12))
def test_never_invents(stems: list[str], n: int, most: int) -> None:
    texts = [f"{stem.capitalize()} {i}." for i, stem in enumerate(stems)]
    found = make().from_sources([" ".join(texts)], n=n, most_words=most)
    assert 1 <= len(found) <= n
    assert len({one.text for one in found}) == len(found)
    units = [unit.text for unit in units_of([" ".join(texts)])]
    shortest = min(map(count_words, units))
    for one in found:
        assert parts(one.text, units)
        assert count_words(one.text) <= most or shortest > most
