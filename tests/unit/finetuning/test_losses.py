from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from embedkit.finetuning.average import Average
from embedkit.finetuning.losses import between_texts, with_prototypes


def test_the_contrastive_loss_is_that_of_the_paper() -> None:
    torch.manual_seed(0)
    vectors = functional.normalize(torch.randn(6, 4, dtype=torch.float64), dim=1)
    labels = [0, 0, 1, 1, 1, 2]
    rows = []
    for i in range(5):  # the last row has nobody of its label
        others = [a for a in range(6) if a != i]
        total = sum(math.exp(float(vectors[i] @ vectors[a]) / 0.2) for a in others)
        friends = [p for p in others if labels[p] == labels[i]]
        terms = [math.log(math.exp(float(vectors[i] @ vectors[p]) / 0.2) / total) for p in friends]
        rows.append(-sum(terms) / len(terms))
    found = between_texts(vectors, torch.tensor(labels), 0.2)
    assert float(found) == pytest.approx(sum(rows) / len(rows), abs=1e-12)


def test_no_two_texts_of_one_label_are_no_loss_and_no_nan() -> None:
    vectors = functional.normalize(torch.randn(3, 4), dim=1).requires_grad_()
    loss = between_texts(vectors, torch.tensor([0, 1, 2]), 0.1)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert torch.isfinite(vectors.grad).all()


def test_the_loss_with_prototypes_does_not_depend_on_their_length() -> None:
    vectors = functional.normalize(torch.randn(5, 4), dim=1)
    prototypes, targets = torch.randn(3, 4), torch.tensor([0, 1, 2, 0, 1])
    loss = with_prototypes(vectors, prototypes, targets, 0.1)
    assert float(with_prototypes(vectors, 7 * prototypes, targets, 0.1)) == pytest.approx(
        float(loss), rel=1e-5
    )
    right = with_prototypes(vectors, vectors, torch.arange(5), 0.01)
    assert float(right) < 0.01


def test_an_average_is_put_in_place_and_taken_away_again() -> None:
    weight = torch.zeros(2)
    average = Average([weight], decay=0.5)
    weight += 4
    average.update()  # the decay begins at 1/10
    held = average.copy()[0]
    assert held.tolist() == pytest.approx([3.6, 3.6])
    with average.in_place():
        assert weight.tolist() == held.tolist()
    assert weight.tolist() == [4, 4]
