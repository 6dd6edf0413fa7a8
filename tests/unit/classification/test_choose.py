from __future__ import annotations

import numpy as np
import pytest

from embedkit.classification import choose as module
from embedkit.classification.choose import Contest, candidates, choose, macro_f1, proportion
from embedkit.classification.inputs import Inputs
from embedkit.testing.heads import head_case


def test_baselines_stand_beside_whatever_is_tried() -> None:
    for rows, classes, task in ((50, 2, "single"), (10**6, 9, "single"), (900, 40, "multi")):
        assert candidates(rows, classes, task)[-2:] == ("tfidf", "majority")
    assert candidates(5000, 5)[0] == "kernel"
    assert "kernel" not in candidates(100_000, 5)
    assert "rbf" not in candidates(100_000, 5)
    assert "kernel" not in candidates(5000, 50, "multi")


def test_beyond_what_kernels_serve_ridge_is_preferred() -> None:
    assert candidates(16_001, 5)[:2] == ("ridge", "joined")
    assert "ridge" not in candidates(16_000, 5)
    assert "ridge" not in candidates(100_000, 5, "multi")


def test_a_head_that_would_take_too_long_on_all_rows_is_not_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inputs, targets = head_case(90)
    monkeypatch.setattr(module, "MOST_ROWS", 50)
    monkeypatch.setattr(module, "MOST_SECONDS", 90 * 3 * 5 * 10e-6)
    choice = choose(Contest(inputs, targets, 3))
    notes = {trial.head: trial.note for trial in choice.trials}
    assert notes["joined"].startswith("not tried: 90 rows could take it")
    assert notes["logreg"] == ""
    assert choice.spec == "ridge"
    assert choice.head is not None


def test_all_are_tried_and_the_best_has_its_scores_and_head() -> None:
    inputs, targets = head_case(120)
    choice = choose(Contest(inputs, targets, 3))
    assert {trial.head.partition("?")[0] for trial in choice.trials} == set(candidates(120, 3))
    means = [trial.accuracy.mean for trial in choice.trials if trial.accuracy]
    assert means == sorted(means, reverse=True)
    assert choice.spec.startswith("kernel")
    assert (choice.scores.argmax(axis=1) == targets).mean() > 0.9
    assert choice.head is not None
    assert (choice.head.scores(inputs).argmax(axis=1) == targets).mean() > 0.9
    assert choice.notes == ()


def test_where_words_tell_and_vectors_do_not_a_head_that_reads_words_is_chosen() -> None:
    inputs, targets = head_case(120)
    noise = np.random.default_rng(0).standard_normal((120, 12)).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    choice = choose(Contest(Inputs(inputs.texts, noise), targets, 3))
    accuracy = {trial.head: trial.accuracy.mean for trial in choice.trials if trial.accuracy}
    assert accuracy["tfidf"] > accuracy["logreg"] + 0.3
    assert accuracy[choice.spec] > accuracy["logreg"] + 0.3


def test_a_spent_budget_leaves_the_preferred_head_and_the_baselines() -> None:
    inputs, targets = head_case(120)
    choice = choose(Contest(inputs, targets, 3), budget=0)
    tried = {trial.head for trial in choice.trials if trial.accuracy}
    assert {"tfidf", "majority"} < tried
    assert len(tried) == 3
    assert any("used up" in trial.note for trial in choice.trials if trial.head == "logreg")


def test_the_same_seed_chooses_the_same() -> None:
    inputs, targets = head_case(90)
    first, second = (choose(Contest(inputs, targets, 3, seed=4)) for _ in range(2))
    assert first.spec == second.spec
    np.testing.assert_array_equal(first.scores, second.scores)


def test_few_labels_have_a_table_but_no_contest() -> None:
    inputs, targets = head_case(24)
    choice = choose(Contest(inputs, targets, 3))
    assert choice.spec == "fewshot"
    assert {"tfidf", "majority"} < {trial.head for trial in choice.trials if trial.accuracy}
    assert "without a contest" in choice.notes[0]


def test_many_rows_are_judged_on_one_fold_and_more_on_a_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inputs, targets = head_case(300)
    monkeypatch.setattr(module, "ALL_FOLDS_ROWS", 100)
    choice = choose(Contest(inputs, targets, 3))
    assert {trial.accuracy.n for trial in choice.trials if trial.accuracy} == {60}
    assert "compared on 60 rows" in choice.notes[0]
    monkeypatch.setattr(module, "MOST_ROWS", 100)
    monkeypatch.setattr(module, "PART_ROWS", 150)
    choice = choose(Contest(inputs, targets, 3))
    assert {trial.accuracy.n for trial in choice.trials if trial.accuracy} == {30}
    assert choice.scores.shape == (300, 3)
    assert np.isfinite(choice.scores).all()


def test_several_labels_a_text_are_chosen_for_too() -> None:
    inputs, targets = head_case(60)
    flags = np.stack([targets == 0, targets != 2], axis=1)
    choice = choose(Contest(inputs, flags, 2, "multi"))
    assert ((choice.scores > 0) == flags).mean() > 0.9
    assert choice.head is None


def test_an_interval_by_a_case_worked_by_hand() -> None:
    # Wilson 1927 for 8 of 10: (0.8 + z²/20 ± z sqrt(0.016 + z²/400)) / (1 + z²/10), z = 1.96
    found = proportion(0.8, 10)
    assert (round(found.low, 4), round(found.high, 4)) == (0.4902, 0.9433)


def test_macro_f1_by_a_case_worked_by_hand() -> None:
    scores = np.eye(3)[[0, 0, 1, 1]]  # class 2 has no rows and is not predicted
    # class 0: hits 1 of 2 guessed and 1 true, F1 = 2/3; class 1: 2 of 2 and 3 true, F1 = 4/5
    assert np.isclose(macro_f1(scores, np.array([0, 1, 1, 1])), (2 / 3 + 4 / 5) / 2)


def test_where_chance_could_tell_heads_apart_the_preferred_one_is_taken() -> None:
    base = np.zeros(100)
    base[:80] = 1
    close, clear = base.copy(), base.copy()
    close[[0, 1, 80, 81, 82]] = 0, 0, 1, 1, 1
    clear[80:90] = 1
    assert module._best(("kernel", "joined"), {"kernel": base, "joined": close}) == "kernel"
    assert module._best(("kernel", "joined"), {"kernel": base, "joined": clear}) == "joined"
