from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import embedkit
from embedkit.embedders.minilm_tuned import NOTE, why_not
from embedkit.embedders.weights import locate_minilm
from embedkit.errors import DamagedError, EmbedkitError, InvalidInputError, WeightsError
from embedkit.indexes.files import seal

TEXTS = ["How do I get my money back?", "The parcel is late.", "long " * 400]


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MiniLM with other weights, as fine-tuning leaves them."""
    folder = tmp_path_factory.mktemp("tuned") / "mine"
    shutil.copytree(locate_minilm(), folder)
    weights = load_file(folder / "model.safetensors")
    rng = np.random.default_rng(0)
    for name, value in weights.items():
        if name.startswith("encoder.layer.5.") and value.ndim == 2:
            weights[name] = value + rng.normal(0, 0.02, value.shape).astype(np.float32)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_CACHE", str(tmp_path / "cache"))


def test_vectors_are_those_of_sentence_transformers(changed: Path) -> None:
    ours = embedkit.embedder(f"minilm?weights={changed}").embed(TEXTS)
    theirs = embedkit.embedder(f"sentence-transformers:{changed}").embed(TEXTS)
    assert ((ours * theirs).sum(axis=1) > 0.99999).all()
    published = embedkit.embedder("minilm").embed(TEXTS)
    assert ((ours * published).sum(axis=1) < 0.99).all()


def test_the_model_is_named_by_its_content(changed: Path, tmp_path: Path) -> None:
    one = embedkit.embedder(f"minilm?weights={changed}").model_id
    shutil.copytree(changed, tmp_path / "mine")
    same = embedkit.embedder(f"minilm?weights={tmp_path / 'mine'}").model_id
    weights = load_file(changed / "model.safetensors")
    weights["encoder.layer.0.output.dense.bias"] += 1e-3
    save_file(weights, tmp_path / "mine" / "model.safetensors", {"format": "pt"})
    other = embedkit.embedder(f"minilm?weights={tmp_path / 'mine'}").model_id
    assert one == same
    assert len({one, other, embedkit.embedder("minilm").model_id}) == 3
    assert one.startswith("minilm:mine@")
    assert embedkit.embedder(f"minilm:int8?weights={changed}").model_id.endswith(" int8")


def test_torch_is_not_loaded(changed: Path) -> None:
    code = f"""
import sys, embedkit
embedkit.embedder("minilm?weights={changed}").embed(["a text"])
assert not {{"torch", "transformers", "sentence_transformers"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize(
    ("file", "value", "said"),
    [
        ("config.json", {"num_hidden_layers": 12}, "its num_hidden_layers is 12, not 6"),
        ("1_Pooling/config.json", {"pooling_mode": "cls"}, "pooling is not the mean"),
        ("sentence_bert_config.json", {"max_seq_length": 512}, "reads 512 tokens, not 256"),
    ],
)  # fmt: skip
def test_a_model_of_another_shape_is_refused_with_the_way_to_use_it(
    changed: Path, tmp_path: Path, file: str, value: dict[str, object], said: str
) -> None:
    folder = tmp_path / "other"
    shutil.copytree(changed, folder)
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **value}))
    assert said in why_not(folder)
    with pytest.raises(WeightsError, match=f"use it as sentence-transformers:{folder}"):
        _ = embedkit.embedder(f"minilm?weights={folder}").model_id


def test_weights_that_are_cut_or_not_there_are_errors_of_ours(
    changed: Path, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match="is not there"):
        embedkit.embedder(f"minilm?weights={tmp_path / 'no'}").embed(["a text"])
    folder = tmp_path / "cut"
    shutil.copytree(changed, folder)
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(EmbedkitError):
        embedkit.embedder(f"minilm?weights={folder}").embed(["a text"])


def test_damage_to_a_model_that_was_fine_tuned_here_is_said(changed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(changed, folder)
    before = embedkit.embedder(f"minilm?weights={folder}").model_id
    (folder / NOTE).write_text("{}")
    seal(folder)
    assert embedkit.embedder(f"minilm?weights={folder}").model_id == before
    for name in ("model.safetensors", "tokenizer.json", "config.json", NOTE, "files.json"):
        whole = (folder / name).read_bytes()
        for damaged in (b"", whole[: len(whole) // 2], b"?" + whole[1:]):
            (folder / name).write_bytes(damaged)
            with pytest.raises(DamagedError, match="fine-tune it again"):
                _ = embedkit.embedder(f"minilm?weights={folder}").model_id
        (folder / name).write_bytes(whole)
    assert embedkit.embedder(f"minilm?weights={folder}").model_id == before


def test_two_places_for_weights_are_one_too_many(changed: Path) -> None:
    with pytest.raises(InvalidInputError, match="got both"):
        embedkit.embedder(f"minilm?weights={changed}&path={changed}")
