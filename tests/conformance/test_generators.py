"""Every generator in the registry does what every generator must do."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from embedkit import registry
from embedkit.generators.base import BaseGenerator, Sampling
from embedkit.generators.echo import EchoGenerator
from embedkit.generators.smollm_weights import find_smollm
from embedkit.protocols import Generator
from embedkit.testing import GENERATOR_CHECKS, check_generator
from embedkit.testing.generators import (
    check_decoding,
    check_limit,
    check_seed,
    check_stop,
    check_supports,
)
from embedkit.types import Candidate, Decoding, Message
from tests.unit.generators.tiny import save_tiny

Check = Callable[[Callable[[], Generator]], None]

NAMES = [row.name for row in registry.rows("generator")]
VARIANTS = {
    "cohere": ["cohere:command-a-03-2025?base_url={cohere}&requests_per_minute=100000"],
    "openai": ["openai:local-chat?base_url={openai}"],
    "smollm": ["smollm?max_tokens=20"],
    "transformers": ["transformers:{tiny}?max_tokens=20"],
    "llama": ["llama:{gguf}?max_tokens=20&chat=true"],
}
"""Specs of each name; one that is not listed is checked as it stands."""
SPECS = [spec for name in NAMES for spec in VARIANTS.get(name, [name])]


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.mark.parametrize("check", GENERATOR_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("spec", SPECS)
def test_generator(
    spec: str, check: Check, on_loopback: Callable[[str], str], tiny_model: Path
) -> None:
    address = on_loopback(spec).replace("{tiny}", str(tiny_model))
    address = address.replace("{gguf}", str(find_smollm(verify=False).path))
    check(lambda: registry.create("generator", address))


def test_all_checks_in_one_call() -> None:
    check_generator(EchoGenerator)


class Bare(BaseGenerator):
    """Knows no parameter at all."""

    model_id = "bare"

    def _generate(self, messages: list[Message], sampling: Sampling) -> list[Candidate]:
        return [Candidate(f"{i}", "stop") for i in range(sampling.n)]


def test_a_generator_that_knows_no_parameter_passes() -> None:
    check_generator(Bare)


@pytest.mark.parametrize("check", [check_seed, check_limit, check_stop])
def test_a_parameter_that_is_promised_and_not_honoured_is_noticed(check: Check) -> None:
    class Boasting(Bare):
        supports: ClassVar[frozenset[str]] = frozenset({"seed", "max_tokens", "stop"})

    with pytest.raises(AssertionError):
        check(Boasting)


def test_a_refusal_that_does_not_say_what_is_honoured_is_noticed() -> None:
    class Lying(EchoGenerator):
        def _check_sampling(self, sampling: Sampling) -> None:
            return

    with pytest.raises(AssertionError):
        check_supports(Lying)


def test_a_decoding_that_shows_another_token_than_it_says_is_noticed() -> None:
    class Lying(EchoGenerator):
        def decode(self, *arguments: Any, **options: Any) -> Decoding:
            found = super().decode(*arguments, **options)
            return dataclasses.replace(found, steps=found.steps[::-1])

    with pytest.raises(AssertionError):
        check_decoding(Lying)
