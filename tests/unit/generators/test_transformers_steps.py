"""What ``transformers:`` chose from, beside what transformers itself leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.generators.tiny import save_tiny

pytestmark = pytest.mark.slow

PROMPT = "A river begins"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers")
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny")


def truth(folder: Path, options: dict[str, Any], written: list[str]) -> dict[str, float]:
    """What transformers draws the next token from, by its own warpers."""
    import torch
    from transformers import (
        AutoModelForCausalLM,
        AutoTokenizer,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    ids = tokenizer(PROMPT, return_tensors="pt").input_ids
    more = [tokenizer.convert_tokens_to_ids(token) for token in written]
    ids = torch.cat([ids, torch.tensor([more], dtype=ids.dtype)], dim=1)
    with torch.inference_mode():
        scores = model(ids).logits[:, -1].double()
    scores = TemperatureLogitsWarper(options["temperature"])(ids, scores)
    scores = TopKLogitsWarper(options["top_k"])(ids, scores)
    shares = TopPLogitsWarper(options["top_p"])(ids, scores).softmax(-1)[0]
    return {
        tokenizer.convert_ids_to_tokens(place): float(share)
        for place, share in enumerate(shares)
        if share > 0
    }


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0.7, "top_k": 30, "top_p": 0.9},
        {"temperature": 2.0, "top_k": 100, "top_p": 0.6},
        {"temperature": 1.0, "top_k": 5, "top_p": 0.99},
    ],
)
def test_what_is_left_is_what_transformers_leaves(folder: Path, options: dict[str, Any]) -> None:
    from embedkit.generators.transformers import TransformersGenerator

    generator = TransformersGenerator(str(folder), device="cpu")
    found = generator.decode(PROMPT, seed=3, max_tokens=4, shown=150, **options)
    assert len(found.steps) == 4
    assert (found.temperature, found.top_k, found.top_p) == tuple(options.values())
    written: list[str] = []
    for step in found.steps:
        expected = truth(folder, options, written)
        mine = {choice.text: choice.left for choice in step.choices if not choice.cut}
        assert step.left == len(expected)
        plain = {token.replace("Ġ", " "): share for token, share in expected.items()}
        assert mine == pytest.approx(plain, abs=1e-5)
        written.append(step.drawn.text.replace(" ", "Ġ"))


def test_the_end_of_a_text_is_a_step_with_a_name(folder: Path) -> None:
    from embedkit.generators.transformers import TransformersGenerator

    generator = TransformersGenerator(str(folder), device="cpu")
    drawn = (generator.decode(PROMPT, seed=seed, max_tokens=60, top_k=0) for seed in range(60))
    ended = next(found for found in drawn if found.finish_reason == "stop")
    assert ended.steps[-1].drawn.text == "<|end|>"
    assert not ended.text.endswith("<|end|>")


def test_halves_of_characters_have_names(tmp_path: Path) -> None:
    from embedkit.generators.transformers import TransformersGenerator

    generator = TransformersGenerator(str(save_tiny(tmp_path, halves=True)), device="cpu")
    found = generator.decode(PROMPT, seed=3, max_tokens=6, top_k=0, temperature=2.0)
    texts = [choice.text for step in found.steps for choice in step.choices]
    assert "" not in texts
    assert not any("\N{REPLACEMENT CHARACTER}" in text for text in texts)
