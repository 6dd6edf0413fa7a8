from __future__ import annotations

import random
from pathlib import Path

import pytest

WORDS = {
    "card": ["card", "pin", "plastic", "chip", "wallet"],
    "parcel": ["parcel", "courier", "box", "shipping", "depot"],
    "refund": ["refund", "money back", "return", "receipt", "credit note"],
}
FILLERS = [
    "when", "where", "why", "how", "please", "help", "tell", "me", "about", "since", "before",
    "after", "again", "today", "monday", "friday", "march", "summer", "office", "street",
    "phone", "number", "letter", "somebody", "nobody", "never", "always", "still", "broken",
    "late", "early", "wrong", "right", "new", "old", "small", "large", "green", "blue", "first",
    "last", "open", "closed",
]  # fmt: skip


def questions(n: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Texts of ten words, of which one says what the label is."""
    rng = random.Random(seed)
    texts, labels = [], []
    for _ in range(n):
        label = rng.choice(list(WORDS))
        words = [*rng.sample(FILLERS, 9), rng.choice(WORDS[label])]
        rng.shuffle(words)
        texts.append(" ".join(words))
        labels.append(label)
    return texts, labels


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformer of 2 layers and 32 dimensions that knows nothing, as a folder."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertModel

    from embedkit.embedders.weights import locate_minilm

    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(5)
    tokenizer = AutoTokenizer.from_pretrained(str(locate_minilm()))
    shape = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64,
    )  # fmt: skip
    BertModel(shape).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    made = SentenceTransformer(
        modules=[Transformer(str(folder / "bert"), max_seq_length=64), Pooling(32)], device="cpu"
    )
    made.save(str(folder / "model"), create_model_card=False)
    return folder / "model"
