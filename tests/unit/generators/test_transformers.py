"""Models of transformers: the real library, a model of random weights made here, no network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedkit.errors import InvalidInputError, WeightsError
from embedkit.generators.base import Progress
from embedkit.generators.transformers import TransformersGenerator
from embedkit.types import Message
from tests.unit.generators.tiny import save_tiny

PROMPT = "A river begins"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def generator(folder: Path) -> TransformersGenerator:
    return TransformersGenerator(str(folder), device="cpu")


def next_logprobs(folder: Path, text: str) -> np.ndarray[Any, Any]:
    """What the model says of the next token, by transformers alone."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.inference_mode():
        logits = model(**tokenizer(text, return_tensors="pt")).logits[0, -1]
    return torch.log_softmax(logits.double(), -1).numpy()


def test_logprobs_are_the_models_own_whatever_is_cut(
    generator: TransformersGenerator, folder: Path
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    truth = next_logprobs(folder, PROMPT)
    for options in ({"temperature": 0.3}, {"temperature": 3.0, "top_k": 5}, {"top_p": 0.2}):
        for candidate in generator.generate(
            PROMPT, n=4, max_tokens=1, seed=5, logprobs=True, **options
        ):
            for token in candidate.tokens or ():
                (number,) = tokenizer(token.text)["input_ids"]
                assert token.logprob == pytest.approx(truth[number], abs=1e-4)


def test_tokens_come_as_often_as_they_are_likely(
    generator: TransformersGenerator, folder: Path
) -> None:
    truth = next_logprobs(folder, PROMPT)
    likely = np.sort(truth / 0.5)[::-1][:3]
    wanted = np.exp(likely) / np.exp(likely).sum()
    drawn = generator.generate(
        PROMPT, n=1500, max_tokens=1, seed=2, temperature=0.5, top_k=3, top_p=1.0, logprobs=True
    )
    came = [candidate.tokens[0].logprob for candidate in drawn if candidate.tokens]
    order = np.sort(truth)[::-1][:3]
    shares = np.array([np.isclose(came, logprob, atol=1e-3).mean() for logprob in order])
    # 1,500 draws: four standard deviations are 0.052 at most.
    np.testing.assert_allclose(shares, wanted, atol=0.052)


def test_top_p_keeps_the_fewest_that_reach_it(
    generator: TransformersGenerator, folder: Path
) -> None:
    truth = np.sort(np.exp(next_logprobs(folder, PROMPT)))[::-1]
    least = truth[: int(np.searchsorted(truth.cumsum(), 0.3)) + 1]
    drawn = generator.generate(
        PROMPT, n=600, max_tokens=1, seed=2, temperature=1.0, top_k=0, top_p=0.3, logprobs=True
    )
    came = {round(np.exp(one.tokens[0].logprob), 6) for one in drawn if one.tokens}
    assert 1 < len(came) <= len(least)
    assert min(came) >= least[-1] - 1e-5


def test_a_temperature_of_0_is_what_the_library_says_without_sampling(
    generator: TransformersGenerator, folder: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    asked = tokenizer(PROMPT, return_tensors="pt")
    written = model.generate(**asked, max_new_tokens=12, do_sample=False, pad_token_id=0)
    wanted = tokenizer.decode(written[0, asked["input_ids"].shape[1] :], skip_special_tokens=True)
    first, second = generator.generate(PROMPT, n=2, max_tokens=12, temperature=0)
    assert first.text == wanted
    assert first == second


def test_messages_go_through_the_template_and_a_text_does_not(
    generator: TransformersGenerator, folder: Path
) -> None:
    turns = [Message("system", "Be brief."), Message("user", PROMPT)]
    by_hand = generator.generate(
        f"<system>Be brief.\n<user>{PROMPT}\n<assistant>", temperature=0, max_tokens=8
    )
    assert generator.generate(turns, temperature=0, max_tokens=8) == by_hand
    chat = TransformersGenerator(str(folder), device="cpu", chat=True)
    asked = chat.generate(PROMPT, temperature=0, max_tokens=8)
    assert asked == generator.generate([Message("user", PROMPT)], temperature=0, max_tokens=8)
    assert not chat.completes
    assert generator.completes
    assert chat.count_tokens(PROMPT) > generator.count_tokens(PROMPT) > 0


def test_a_model_without_a_template_reads_what_messages_say(tmp_path: Path) -> None:
    plain = TransformersGenerator(str(save_tiny(tmp_path / "plain", template=None)), device="cpu")
    turns = [Message("system", "Be brief."), Message("user", PROMPT)]
    by_hand = plain.generate(f"Be brief.\n\n{PROMPT}", temperature=0, max_tokens=8)
    assert plain.generate(turns, temperature=0, max_tokens=8) == by_hand


def test_a_template_that_takes_no_system_message_says_so(tmp_path: Path) -> None:
    template = "{{ raise_exception('no system here') }}"
    strict = TransformersGenerator(
        str(save_tiny(tmp_path / "strict", template=template)), device="cpu"
    )
    with pytest.raises(InvalidInputError, match="no system here; leave out"):
        strict.generate([Message("user", PROMPT)])


def test_a_prompt_past_the_context_is_refused_and_a_candidate_ends_at_it(tmp_path: Path) -> None:
    small = TransformersGenerator(str(save_tiny(tmp_path / "small", context=24)), device="cpu")
    assert small.context == 24
    read = small.count_tokens("river " * 40)
    with pytest.raises(InvalidInputError, match=rf"fewer than 24 tokens, got {read}"):
        small.generate("river " * 40)
    (candidate,) = small.generate(PROMPT, seed=3)
    assert candidate.finish_reason == "length"
    assert (candidate.prompt_tokens or 0) + (candidate.completion_tokens or 0) == 24


def test_a_seed_is_a_candidates_own(generator: TransformersGenerator) -> None:
    three = [one.text for one in generator.generate(PROMPT, n=3, max_tokens=6, seed=4)]
    two = [one.text for one in generator.generate(PROMPT, n=2, max_tokens=6, seed=4)]
    assert three[:2] == two
    assert len(set(three)) == 3
    free = [generator.generate(PROMPT, max_tokens=8)[0].text for _ in range(3)]
    assert len(set(free)) > 1


def test_progress_is_told(generator: TransformersGenerator) -> None:
    told: list[Progress] = []
    generator.generate(PROMPT, n=2, max_tokens=4, seed=1, progress=told.append)
    assert [step.written for step in told] == [2, 4, 6, 8]
    assert {step.n for step in told} == {2}


def test_half_characters_are_joined(tmp_path: Path) -> None:
    """Random weights write bytes at random: what is no character must not break the text."""
    halves = TransformersGenerator(str(save_tiny(tmp_path / "halves", halves=True)), device="cpu")
    for candidate in halves.generate("Ελλάδα", n=4, temperature=5.0, top_k=0, seed=1,
                                        max_tokens=60, logprobs=True):  # fmt: skip
        assert "".join(token.text for token in candidate.tokens or ()) == candidate.text


def test_the_name_is_exact(generator: TransformersGenerator, tmp_path: Path) -> None:
    assert generator.model_id.startswith("transformers:tiny@")
    other = TransformersGenerator(str(save_tiny(tmp_path / "tiny", context=64)))
    assert other.model_id != generator.model_id


@pytest.mark.parametrize("name", ["/nowhere/model", "./nowhere"])
def test_a_folder_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(WeightsError, match="is not there; check the path"):
        TransformersGenerator(name).generate(PROMPT)


def test_without_a_hub_both_remedies_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsError) as caught:
        TransformersGenerator("nobody/nothing").generate(PROMPT)
    message = str(caught.value)
    assert "the hub cannot be reached" in message
    assert "path of a folder" in message
    assert "where the hub can be reached" in message
    assert "\n" not in message


def test_what_is_no_language_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(WeightsError, match="cannot load"):
        TransformersGenerator(str(tmp_path)).generate(PROMPT)


@pytest.mark.slow
def test_a_gguf_file_is_read_in_silence() -> None:
    """The packaged model, as transformers reads it, thinks as llama.cpp does."""
    code = """
from embedkit.generators.smollm_weights import find_smollm
from embedkit.generators.transformers import TransformersGenerator
generator = TransformersGenerator(str(find_smollm().path), device="cpu")
(one,) = generator.generate("The capital of France is", temperature=0, max_tokens=1, logprobs=True)
print(repr(one.text), generator.context, one.tokens[0].logprob)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    text, context, logprob = done.stdout.rsplit(maxsplit=2)
    assert text == "' Paris'"
    assert context == "8192"
    assert -1 < float(logprob) < 0
    assert done.stderr == ""
