"""What ``smollm`` chose from is what llama.cpp drew from, step by step."""

from __future__ import annotations

import math
from typing import Any

import pytest

from embedkit.generators.llama import LlamaGenerator
from embedkit.types import Decoding, Message

pytestmark = pytest.mark.slow

PROMPT = "The capital of France is"


@pytest.fixture(scope="module")
def smollm() -> LlamaGenerator:
    pytest.importorskip("xllamacpp")
    pytest.importorskip("embedkit.generators.smollm")
    from embedkit.generators.smollm import SmolLMGenerator

    return SmolLMGenerator()


def _left_by_llama(generator: LlamaGenerator, before: list[int], law: Decoding) -> dict[int, float]:
    """What llama.cpp itself draws from after some tokens, by its own samplers."""
    engine = generator._engine()
    # What is drawn here is another token, and none is told where it is half a character.
    for seed in range(20):
        answer = engine.answer(
            {
                "prompt": before, "n_predict": 1, "n_probs": 1000, "cache_prompt": True,
                "samplers": ["temperature", "top_k", "top_p"], "post_sampling_probs": True,
                "temperature": law.temperature, "top_k": law.top_k or 0, "top_p": law.top_p or 1,
                "min_p": 0, "seed": seed,
            }
        )  # fmt: skip
        if answer.get("completion_probabilities"):
            told = answer["completion_probabilities"][0]["top_probs"]
            return {item["id"]: item["prob"] for item in told}
    raise AssertionError("llama.cpp tells nothing")


@pytest.mark.parametrize(
    "options",
    [
        {"seed": 3},
        {"seed": 4, "temperature": 1.3, "top_k": 100, "top_p": 0.8},
        {"seed": 5, "temperature": 0.5, "top_k": 3, "top_p": 1},
        {"seed": 6, "temperature": 1, "top_k": 0, "top_p": 0.5},
    ],
)
def test_what_is_left_is_what_llama_draws_from(
    smollm: LlamaGenerator, options: dict[str, Any]
) -> None:
    found = smollm.decode(PROMPT, max_tokens=5, shown=200, **options)
    engine = smollm._engine()
    before = engine.tokenize(PROMPT)
    for step in found.steps:
        truth = sorted(_left_by_llama(smollm, before, found).values(), reverse=True)
        mine = [choice.left for choice in step.choices if not choice.cut]
        assert step.left == len(truth)
        assert mine[:100] == pytest.approx(truth[:100], abs=2e-3)
        before += engine.tokenize(step.drawn.text)


@pytest.mark.parametrize(
    ("prompt", "options"),
    [
        (PROMPT, {"seed": 3, "max_tokens": 8}),
        (PROMPT, {"seed": 3, "max_tokens": 8, "temperature": 0}),
        (PROMPT, {"seed": 3, "max_tokens": 12, "stop": ["France", "aris"]}),
        ([Message("user", "Say yes and nothing else.")], {"seed": 1, "max_tokens": 12}),
    ],
)
def test_it_is_the_first_candidate_of_its_seed(
    smollm: LlamaGenerator, prompt: Any, options: dict[str, Any]
) -> None:
    found = smollm.decode(prompt, **options)
    candidate = smollm.generate(prompt, logprobs=True, **options)[0]
    assert (found.text, found.finish_reason) == (candidate.text, candidate.finish_reason)
    assert candidate.tokens is not None
    drawn = [step.drawn for step in found.steps]
    written = [one for one in drawn if not one.text.startswith("<|")]
    assert "".join(one.text for one in written).startswith(candidate.text)
    assert [math.log(one.probability) for one in written] == pytest.approx(
        [token.logprob for token in candidate.tokens], abs=2e-3
    )
    assert all(one.left > 0 and not one.cut for one in drawn)


def test_shares_add_up_over_the_whole_vocabulary(smollm: LlamaGenerator) -> None:
    options: dict[str, Any] = {"top_k": 0, "top_p": 0.98, "max_tokens": 2, "seed": 3}
    for step in smollm.decode(PROMPT, temperature=1.5, **options).steps:
        assert step.left is not None
        assert step.left > 500, "the cut is found beyond the tokens that are looked at first"
        assert len(step.choices) + step.others == 49152
        assert step.cut_by_top_p == pytest.approx(0.02, abs=1e-3)
        for name in ("probability", "tempered", "left"):
            told = sum(getattr(choice, name) for choice in step.choices)
            assert told + getattr(step, f"others_{name}") == pytest.approx(1)


def test_halves_of_characters_and_the_end_of_the_text_have_names(smollm: LlamaGenerator) -> None:
    found = smollm.decode("Thank you in Japanese is ありがとうご", seed=3, max_tokens=2)
    texts = [choice.text for step in found.steps for choice in step.choices]
    assert "<0xE3><0x81>" in texts

    asked = [Message("user", "Say yes and nothing else.")]
    # Which seed comes to an end soon may differ from processor to processor.
    drawn = (smollm.decode(asked, seed=seed, max_tokens=30) for seed in range(30))
    ended = next(found for found in drawn if found.finish_reason == "stop")
    assert ended.steps[-1].drawn.text == "<|im_end|>"
    assert not ended.text.endswith("<|im_end|>")
