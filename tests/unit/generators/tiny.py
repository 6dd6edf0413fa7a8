"""A causal language model of random weights, made in a second: real code, no knowledge."""

from __future__ import annotations

from pathlib import Path

SENTENCES = [
    "A river begins at its source and ends at the sea.",
    "Where does a river begin? Where does it end? Say in one sentence.",
    "You answer in one sentence. The town lies on the river.",
    "The words of a small model mean nothing at all.",
]
TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def save_tiny(
    folder: Path, *, template: str | None = TEMPLATE, context: int = 2048, halves: bool = False
) -> Path:
    """Write the model and a tokenizer trained on a few sentences into a folder.

    It writes ASCII alone, or with ``halves`` any bytes, of which few are characters.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    alphabet = pre_tokenizers.ByteLevel.alphabet()
    if not halves:
        alphabet = ["Ġ", *(letter for letter in alphabet if letter.isascii())]
    tokenizer = Tokenizer(models.BPE(unk_token="<|unk|>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|end|>", "<|unk|>"],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>")
    fast.chat_template = template
    fast.save_pretrained(folder)
    torch.manual_seed(1)
    config = GPT2Config(
        vocab_size=tokenizer.get_vocab_size(), n_positions=context, n_embd=32, n_layer=2, n_head=2,
        bos_token_id=0, eos_token_id=0, initializer_range=0.4,
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder
