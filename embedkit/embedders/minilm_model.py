"""Writes MiniLM in CTranslate2's own format, straight from the published weights.

CTranslate2's converter would do, but where torch is installed it takes seconds to import it. The
file is the same to the byte; a test compares the two. Layout (little-endian): version, name of the
specification, its revision, number of variables; for each variable its name, rank, shape, type,
size in bytes and values, sorted by name; at last the aliases, of which there are none.

Source: CTranslate2, ``python/ctranslate2/specs/model_spec.py``, ``ModelSpec._serialize``, binary
version 6, which all later versions read.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

Precision: TypeAlias = Literal["fp32", "int8"]
Array: TypeAlias = NDArray[Any]
Read: TypeAlias = Callable[[str], Array]

LAYERS, HEADS, GELU, ADD = 6, 12, 3, 1
"""Shape of the model; activation and merging of embeddings by their numbers in CTranslate2."""
_TYPES = {np.dtype(np.float32): 0, np.dtype(np.int8): 1, np.dtype(np.int16): 2}

_CONFIG = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "layer_norm_epsilon": 1e-12,
    "multi_query_attention": False,
    "unk_token": "[UNK]",
}


def write_model(weights: Path, folder: Path, precision: Precision) -> None:
    """Write what ``ctranslate2.Encoder(folder)`` loads.

    Parameters
    ----------
    weights : Path
        ``model.safetensors`` of all-MiniLM-L6-v2, verified.
    folder : Path
        An existing folder: receives model.bin, config.json and vocabulary.json.
    precision : {"fp32", "int8"}
        int8 keeps each row of a matrix as whole numbers of -127..127 and one scale.
    """
    with safe_open(weights, framework="numpy") as file:
        variables = dict(_variables(file.get_tensor))
    if precision == "int8":
        variables = dict(_quantized(variables))
    with (folder / "model.bin").open("wb") as out:
        _write(out, variables)
    (folder / "config.json").write_text(json.dumps(_CONFIG))
    # The loader wants a vocabulary; we pass token ids, so one word of it is enough.
    (folder / "vocabulary.json").write_text('["[UNK]"]')


def _variables(read: Read) -> Iterator[tuple[str, Array]]:
    yield "encoder/activation", np.array(GELU, np.int8)
    yield "encoder/embeddings_merge", np.array(ADD, np.int8)
    yield "encoder/multi_query_attention", np.array(0, np.int8)
    yield "encoder/num_heads", np.array(HEADS, np.int16)
    yield "encoder/pre_norm", np.array(0, np.int8)
    yield "encoder/scale_embeddings", np.array(0, np.int8)
    yield "encoder/embeddings_0/weight", read("embeddings.word_embeddings.weight")
    yield "encoder/embeddings_1/weight", read("embeddings.token_type_embeddings.weight")
    yield "encoder/position_encodings/encodings", read("embeddings.position_embeddings.weight")
    yield from _norm(read, "encoder/layernorm_embedding", "embeddings.LayerNorm")
    for i in range(LAYERS):
        yield from _layer(read, f"encoder/layer_{i}", f"encoder.layer.{i}")


def _layer(read: Read, to: str, source: str) -> Iterator[tuple[str, Array]]:
    for part in ("weight", "bias"):
        projections = [
            read(f"{source}.attention.self.{name}.{part}") for name in ("query", "key", "value")
        ]
        yield f"{to}/self_attention/linear_0/{part}", np.concatenate(projections)
    for name, dense in (
        ("self_attention/linear_1", "attention.output.dense"),
        ("ffn/linear_0", "intermediate.dense"),
        ("ffn/linear_1", "output.dense"),
    ):
        yield f"{to}/{name}/weight", read(f"{source}.{dense}.weight")
        yield f"{to}/{name}/bias", read(f"{source}.{dense}.bias")
    yield from _norm(
        read, f"{to}/self_attention/layer_norm", f"{source}.attention.output.LayerNorm"
    )
    yield from _norm(read, f"{to}/ffn/layer_norm", f"{source}.output.LayerNorm")


def _norm(read: Read, to: str, source: str) -> Iterator[tuple[str, Array]]:
    yield f"{to}/gamma", read(f"{source}.weight")
    yield f"{to}/beta", read(f"{source}.bias")


def _quantized(variables: dict[str, Array]) -> Iterator[tuple[str, Array]]:
    """Yield the variables, every matrix of weights as int8 with a scale for each row."""
    for name, value in variables.items():
        if not name.endswith("/weight"):
            yield name, value
            continue
        largest = np.abs(value).max(axis=1)
        scale = np.float32(127) / np.where(largest == 0, np.float32(127), largest)
        yield name, np.rint(value * scale[:, np.newaxis]).astype(np.int8)
        yield f"{name}_scale", scale


def _write(out: IO[bytes], variables: dict[str, Array]) -> None:
    out.write(struct.pack("<I", 6))
    _write_name(out, "TransformerEncoderSpec")
    out.write(struct.pack("<II", 1, len(variables)))
    for name in sorted(variables):
        value = np.ascontiguousarray(variables[name])
        shape = variables[name].shape
        _write_name(out, name)
        out.write(struct.pack(f"<B{len(shape)}I", len(shape), *shape))
        out.write(struct.pack("<BI", _TYPES[value.dtype], value.nbytes))
        out.write(value.tobytes())
    out.write(struct.pack("<I", 0))


def _write_name(out: IO[bytes], name: str) -> None:
    encoded = name.encode() + b"\0"
    out.write(struct.pack("<H", len(encoded)) + encoded)
