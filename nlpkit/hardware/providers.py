"""Where ONNX Runtime runs: what a provider that it was built with lacks on this machine, and how that is installed."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from nlpkit.errors import UserError, first_line

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
FOR_CPU, FOR_CUDA = "onnxruntime", "onnxruntime-gpu"  # distributions, which write into the same folder
LAST_FOR_CUDA_12 = "<1.27"  # from 1.27 on the package index has FOR_CUDA for CUDA 13
# a graph of one node that gives back its input of one number
IDENTITY = (
    b'\x08\x07\x12\x00:7\n\x10\n\x01a\x12\x01b"\x08Identity\x12\x01gZ\x0f\n\x01a\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01'
    b"b\x0f\n\x01b\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)
LIBRARY = re.compile(r"(?:Failed to load |with error: )(\S*?[^/\s]+\.(?:so[.\d]*|dll))(?=:)")
COLOUR = re.compile(r"\x1b\[[\d;]*m")


def require_runtime() -> Any:
    """The package onnxruntime.

    Raises:
        UserError: it is not installed, or in part.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(
            f"exported models run in ONNX Runtime, which is not installed: {error}", "pip install 'nlpkit[onnx]'"
        ) from None
    if not hasattr(onnxruntime, "InferenceSession"):
        raise UserError(
            f"ONNX Runtime is installed in part: {FOR_CPU} or {FOR_CUDA} was removed, and files of the other with it",
            f"pip uninstall -y {FOR_CPU} {FOR_CUDA}; pip install the one of them that you want.",
        )
    return onnxruntime


class Obstacle(NamedTuple):
    """What keeps ONNX Runtime from running on a device, and what to do about it."""

    message: str
    hint: str


@functools.cache
def obstacle(kind: str) -> Obstacle | None:
    """What keeps ONNX Runtime from running on a kind of device (cpu, cuda, mps); None: nothing.

    What it was built for says little: where the libraries of a provider cannot be loaded, a session runs on the CPU,
    and a line on standard error is all that tells. So a graph of one node is opened, once in a process.

    Raises:
        UserError: ONNX Runtime is not installed.
    """
    runtime = require_runtime()
    if kind == "cpu":
        return None
    import torch

    if kind == "cuda" and torch.version.hip is not None:  # as torch calls AMD's too
        return Obstacle("ONNX models run on GPUs of NVIDIA alone here, and this one is AMD's", "Use --device cpu.")
    if kind not in PROVIDERS:
        return Obstacle(f"ONNX Runtime does not run on {kind} here", "Use --device cpu.")
    if PROVIDERS[kind] not in runtime.get_available_providers():
        if FOR_CUDA in _installed():
            what = (
                f"{FOR_CPU} and {FOR_CUDA} are both installed, and the files of the first are over those of the second"
            )
        else:
            what = f"the {FOR_CPU} that is installed is for the CPU"
        return Obstacle(f"ONNX Runtime does not run on {kind}: {what}", how_to_install())
    failed, providers = "", []
    with _heard() as log:
        # of torch's CUDA, where it is the same: they lie where the system does not look
        if hasattr(runtime, "preload_dlls"):
            runtime.preload_dlls()
        try:
            session = runtime.InferenceSession(IDENTITY, providers=[PROVIDERS[kind]], enable_fallback=0)
            providers = session.get_providers()
        except Exception as error:  # ONNX Runtime has one for each kind of failure
            failed = first_line(error)
    if providers[:1] == [PROVIDERS[kind]]:
        return None
    missing = dict.fromkeys(Path(name).name for line in log for name in LIBRARY.findall(line))
    lacking = [name for name in missing if "onnxruntime" not in name]
    why = f"{', '.join(lacking)} cannot be loaded" if lacking else failed or _first_error(log)
    return Obstacle(f"ONNX Runtime does not run on {kind}: {why}{_built_for(runtime)}", how_to_install())


def _installed() -> list[str]:
    """Which distributions of ONNX Runtime there are."""
    packages = []
    for name in (FOR_CPU, FOR_CUDA):
        with contextlib.suppress(metadata.PackageNotFoundError):
            metadata.version(name)
            packages.append(name)
    return packages


def _built_for(runtime: Any) -> str:
    """Of which CUDA ONNX Runtime and torch are."""
    import torch

    own = getattr(runtime, "cuda_version", None)
    if own is None or torch.version.cuda is None:
        return ""
    return f" ({FOR_CUDA} {runtime.__version__} is for CUDA {own}, torch for CUDA {torch.version.cuda})"


def how_to_install() -> str:
    """How to install an ONNX Runtime for the GPU, of the CUDA that torch has."""
    import torch

    major = (torch.version.cuda or "").partition(".")[0]
    version = LAST_FOR_CUDA_12 if major == "12" else ""
    return (
        f"pip uninstall -y {FOR_CPU} {FOR_CUDA}; pip install '{FOR_CUDA}[cuda,cudnn]{version}'"
        f"{f' (for CUDA {major}, as torch)' if major else ''}; or use --device cpu."
    )


@contextlib.contextmanager
def _heard() -> Iterator[list[str]]:
    """The lines that a library writes to standard output and standard error meanwhile, from C++ too, instead of there;
    they are there when the block has ended."""
    log: list[str] = []
    printed = io.StringIO()
    with tempfile.TemporaryFile() as file:
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            with contextlib.redirect_stdout(printed):
                yield log
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            written = f"{printed.getvalue()}\n{file.read().decode(errors='replace')}"
            log += [line.strip() for line in COLOUR.sub("", written).splitlines() if line.strip()]


def _first_error(log: list[str]) -> str:
    """Of the lines of a log."""
    message = next((line.rpartition("] ")[2].lstrip(": ") for line in log if "[E:" in line), None)
    return message or "it does not say why"
