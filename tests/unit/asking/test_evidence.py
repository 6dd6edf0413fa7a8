"""How much a text bears on a question."""

from __future__ import annotations

import pytest

from embedkit.asking.evidence import COVERAGE, MIDDLE, Question, probability, terms_of
from embedkit.retrieval.calibration import Calibration

CALIBRATION = Calibration("corpus", 20.0, -10.0)


def test_meaning_and_words_add_up() -> None:
    question = Question({"bread": 2.0, "rest": 1.0, "do": 0.1}, calibration=CALIBRATION)
    held = question.coverage(terms_of("The bread is fresh."))
    assert held == pytest.approx(2.0 / 3.1)
    assert question.odds(0.6, held) > question.odds(0.5, held) > question.odds(0.5, 0.0)
    assert question.odds(0.5, MIDDLE) == pytest.approx(0.0)


def test_a_slip_of_typing_is_understood() -> None:
    question = Question({"recipt": 3.0}, {"recipt": ("receipt",)})
    assert question.coverage(terms_of("Bring the receipt.")) == 1.0


def test_words_of_another_language_say_nothing() -> None:
    foreign = Question({"wer": 3.0, "backt": 3.0}, known=0.0, calibration=CALIBRATION)
    assert foreign.odds(0.7, 0.0) == pytest.approx(4.0)
    known = Question({"wer": 3.0, "backt": 3.0}, known=1.0, calibration=CALIBRATION)
    assert known.odds(0.7, 0.0) == pytest.approx(4.0 - COVERAGE * MIDDLE)


def test_words_decide_where_nothing_is_known_of_similarities() -> None:
    question = Question({"bread": 1.0})
    assert question.odds(0.99, 0.0) < 0 < question.odds(None, 1.0)


def test_log_odds_as_probabilities() -> None:
    assert probability(0) == 0.5
    assert probability(1e9) == 1.0
    assert probability(-1e9) == pytest.approx(0.0)


def test_an_unknown_name_counts_most(shop) -> None:
    index = shop._read(lambda view: view.lexical)
    weights = index.weights("Does the bakery sell Zanzibar rye?")
    assert max(weights, key=weights.get) == "zanzibar"
    assert sum(weights.values()) == pytest.approx(index.mass("Does the bakery sell Zanzibar rye?"))
