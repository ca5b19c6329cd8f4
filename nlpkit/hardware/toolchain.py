"""What a GPU and torch.compile need beside torch: libraries of CUDA, a compiler."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import sys
import sysconfig
from pathlib import Path


def cuda_libraries() -> dict[str, str | None]:
    """Versions of the CUDA libraries in torch: `cuda`, `cudnn` and `nccl`, each None in a build without it."""
    import torch

    cudnn = torch.backends.cudnn.version()
    nccl = None
    with contextlib.suppress(AttributeError, RuntimeError):  # a build without it
        nccl = ".".join(map(str, torch.cuda.nccl.version()))
    return {
        "cuda": torch.version.cuda,
        "cudnn": f"{cudnn // 10000}.{cudnn // 100 % 100}.{cudnn % 100}" if cudnn else None,
        "nccl": nccl,
    }


def missing_to_compile(device: str) -> str | None:
    """What torch.compile would look for on a device (as torch names it) in vain, in words; None where all is there."""
    if device not in ("cpu", "cuda"):
        return None
    if device == "cuda" and importlib.util.find_spec("triton") is None:
        return "the package triton"
    if device == "cpu" and compiler() is None:
        return "a C++ compiler (g++, or the one that CXX names)"
    linux = sys.platform == "linux"  # elsewhere Triton brings its own, and the headers are a part of Python
    if (
        device == "cuda"
        and linux
        and not any(map(shutil.which, [os.environ["CC"]] if "CC" in os.environ else ["gcc", "clang"]))
    ):
        return "a C compiler (gcc or clang, or the one that CC names)"
    if linux and not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        return "the headers of Python (Python.h, in a package python3-dev or python3-devel)"
    return None


def compiler() -> str | None:
    """The C++ compiler that torch.compile takes on a CPU (its `cpp.cxx`); None where it would find none."""
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    wanted = os.environ.get("CXX", usual)
    return wanted if shutil.which(wanted) else None
