from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Run = Callable[..., Result]
Data = Callable[..., Any]

MAKE = ("classify", "zero-shot", "card=lost card", "card=stolen card", "parcel", "--name", "kinds")


@pytest.mark.usefixtures("work")
def test_labels_alone_make_a_classifier(run: Run, data: Data) -> None:
    made = data(*MAKE)
    assert {label for label, _ in made["report"]["counts"]} == {"card", "parcel"}
    for text, label in (("where is the parcel", "parcel"), ("I lost a card", "card")):
        said = data("classify", "predict", "--name", "kinds", "-q", text)
        assert said["label"] == label
    told = run(*MAKE, "--force", "--format", "table")
    assert "not calibrated" in told.stdout
    assert "classify predict FILE --name kinds" in told.stderr


@pytest.mark.usefixtures("work")
def test_what_cannot_be_meant(run: Run) -> None:
    one = run("classify", "zero-shot", "card", "--name", "kinds", code=2)
    assert "two labels" in one.stderr
    Path("empty.txt").write_text("\n")
    none = run(*MAKE, "--unlabelled", "empty.txt", code=1)
    assert "a text on each line of empty.txt, got none" in none.stderr
    template = run(*MAKE, "--template", "This is about it.", code=2)
    assert "{label}" in template.stderr


@pytest.mark.usefixtures("work")
def test_a_classifier_is_replaced_only_when_told(run: Run) -> None:
    run(*MAKE)
    assert "--force" in run(*MAKE, code=2).stderr
    run(*MAKE, "--force")
