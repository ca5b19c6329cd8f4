"""Which arithmetic a run computes in, and that nothing else changes it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from nlpkit import process, reporting
from nlpkit.errors import UserError


def _asked(option: str) -> str:
    """The option, or where that leaves it open what `accelerate launch` was asked for."""
    launched = process.launched_precision()
    if launched is None or launched == option:
        return option
    counts = launched if option == "auto" else option
    reporting.current().note(
        f"precision {counts}: `accelerate launch` was asked for {launched}, --precision is {option}"
    )
    return counts


def choose(option: str, name: str) -> str:
    """The precision to compute in on a device of this kind; torch's switch of TF32, which is for all, is set to it.

    Args:
        option: `--precision`.
        name: cpu, cuda, mps; of cuda the GPU of this process.

    Raises:
        UserError: the device has none of that name.
    """
    wanted = _asked(option)
    if name != "cuda":
        if wanted == "fp16" and name == "cpu":
            raise UserError("--precision fp16 needs a GPU", "Use bf16 or fp32 on the CPU.")
        if wanted == "tf32":
            raise UserError(f"--precision tf32 needs an NVIDIA GPU, and this is {name}", "Use fp32.")
        return "fp32" if wanted == "auto" else wanted
    import torch

    chip = torch.cuda.get_device_name()
    native = torch.cuda.is_bf16_supported(including_emulation=False)
    if wanted == "auto":
        # units for fp16 came with compute capability 7.0; before, it is no faster than fp32 or slower
        half = torch.cuda.get_device_capability() >= (7, 0)
        wanted = "fp16" if half else "fp32"
        if native:
            wanted = "bf16"
    if wanted == "bf16" and not native:
        reporting.current().warn(f"{chip} has no units for bf16, which it emulates slowly: --precision fp16 is faster")
    if wanted == "tf32" and not torch.cuda.is_tf32_supported():
        raise UserError(f"--precision tf32: {chip} has no TF32 (Ampere and newer have)", "Use fp32.")
    forced = {"fp32": "1", "tf32": "0"}.get(wanted)
    if forced and os.environ.get("NVIDIA_TF32_OVERRIDE") == forced:
        reporting.current().warn(
            f"NVIDIA_TF32_OVERRIDE={forced}: NVIDIA's libraries compute {'in' if forced == '1' else 'without'} TF32, "
            f"whatever --precision {wanted} says"
        )
    set_tf32(wanted == "tf32")
    return wanted


def set_tf32(on: bool) -> None:
    """Let CUDA compute products and convolutions of float32 in TF32 (10 bits behind the point), or in float32."""
    import torch

    # transformers sets this one; while it is set, whoever asks the two below, as compilers do, gets an error
    torch.backends.fp32_precision = "none"  # type: ignore[attr-defined]
    torch.set_float32_matmul_precision("high" if on else "highest")
    torch.backends.cudnn.allow_tf32 = on


def computes_in_tf32() -> bool:
    """Whether products of float32 on CUDA are computed in TF32."""
    import torch

    return bool(torch.backends.cuda.matmul.fp32_precision == "tf32")


@contextlib.contextmanager
def keeping() -> Iterator[None]:
    """Undo what a block does to the arithmetic: transformers and accelerate turn TF32 on for whatever is compiled."""
    import torch

    on = computes_in_tf32()
    yield
    if torch.cuda.is_available():  # also where it is on as before: by another switch it would be, see `set_tf32`
        set_tf32(on)
