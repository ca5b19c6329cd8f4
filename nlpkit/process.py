"""The process: its rank among others, and how talkative the libraries in it are."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO, BinaryIO

from nlpkit.errors import NlpkitError, UserError

# what divides a model, by the variable with which `accelerate launch` tells its processes
_DIVIDING = {
    "MEGATRON_LM": "Megatron-LM",
    "PARALLELISM_CONFIG": "a parallelism config",
}
# what FSDP is not asked for here, and what to do instead
_NOT_WITH_FSDP = {
    "CPU_RAM_EFFICIENT_LOADING": ": each process reads the model, which is looked at before it is divided",
    "ACTIVATION_CHECKPOINTING": "; here that is --gradient-checkpointing",
}
_YES = ("y", "yes", "t", "true", "on", "1")  # as accelerate and transformers read such a variable
_verbose = False
_last_words: Callable[[NlpkitError], object] | None = None
TALKATIVE = ("torch", "torch.utils._pytree", "torchao", "huggingface_hub", "accelerate", "fsspec", "matplotlib")
"""Loggers of libraries that say what nobody asked for."""
LAUNCHED_PRECISION = "ACCELERATE_MIXED_PRECISION"
_RAYON = os.environ.get("RAYON_NUM_THREADS")  # as the user set it


def apply(*, verbose: bool) -> None:
    """Set what the libraries read at import time. Call before torch or transformers is imported."""
    global _verbose
    _verbose = verbose
    prepare()
    if verbose:
        logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    else:
        hush()


def is_verbose() -> bool:
    """Whether libraries may say what nobody asked for."""
    return _verbose


def prepare() -> None:
    """Set what the libraries compute with, as far as it is read when they are imported."""
    from nlpkit import machine

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    limit_tokenizers(machine.threads()[0])
    prepare_gpus()


def hush() -> None:
    """Have the libraries say nothing that nobody asked for; see `silence_transformers` for what is imported already."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    os.environ.setdefault("DATASETS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("ACCELERATE_LOG_LEVEL", "ERROR")
    warnings.filterwarnings("ignore")
    # importing torchao makes the pytree of torch warn; torch sets the level of its own root logger again at import
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)


def prepare_gpus(*, deterministic: bool = False) -> None:
    """Set what CUDA and torch's allocator of GPU memory read once, unless the user has; before torch asks for a GPU.

    Args:
        deterministic: also the workspace with which cuBLAS is deterministic. torch looks at its first product, which
            may be a teacher's or that of a measurement, and would refuse all products of a Trainer that sets it later.
    """
    from nlpkit import machine

    if not machine.has_nvidia_driver():
        return
    if deterministic:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":16:8"  # as Trainer sets it, whatever it was
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # cuda:1 is the one that nvidia-smi calls 1
    named = {"PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"} & os.environ.keys()
    # batches are of many lengths: blocks that grow are used again by longer ones. Not under Windows, which lacks them
    if not named and sys.platform == "linux" and "microsoft" not in platform.release():
        os.environ["PYTORCH_ALLOC_CONF"] = "expandable_segments:True"


def limit_tokenizers(threads: int) -> None:
    """Let the tokenizers library use so many threads, unless the user said how many; before it tokenizes first."""
    if _RAYON is None:
        os.environ["RAYON_NUM_THREADS"] = str(threads)


def silence_transformers() -> None:
    """Turn off the weight-loading bar and report; after transformers is imported."""
    if os.environ.get("TRANSFORMERS_VERBOSITY") == "error":
        from transformers.utils import logging as transformers_logging

        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()


def standard_input() -> BinaryIO:
    """What is piped into this process.

    Raises:
        UserError: nothing is: its standard input is closed.
    """
    if sys.stdin is None:
        raise UserError("standard input is closed: there is nothing to read at -", "Pipe something in, or name a file.")
    return sys.stdin.buffer


def own_streams() -> tuple[IO[str], IO[str]]:
    """Standard input and output for the requests of another process alone: what a library prints goes to standard
    error, and a child that reads finds nothing.

    Returns:
        What the requests come from, and where the answers go.
    """
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


def offer_to_be_killed() -> None:
    """Where memory runs out, have the system end this process, and none of the user's others."""
    with contextlib.suppress(OSError):  # no such file on other systems
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def rank() -> int:
    """This process's number under torchrun or `accelerate launch`; 0 when alone."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def divides_models() -> bool:
    """Whether `accelerate launch` was asked to divide models over processes (FSDP2), of which there are several."""
    return _launched_for_fsdp() and world_size() > 1


def division() -> str | None:
    """What divides the work on one model besides its rows, as records name it; None where each process has all."""
    if world_size() == 1:
        return None
    return "FSDP2" if divides_models() else "ZeRO" if launched_for_deepspeed() else None


def launched_for_deepspeed() -> bool:
    """Whether `accelerate launch` was asked for DeepSpeed; of it no state is kept that a run could go on from, as that
    would be pickled objects."""
    return _is_yes(os.environ.get("ACCELERATE_USE_DEEPSPEED"))


def require_known_division() -> None:
    """Stop where `accelerate launch` was asked to divide a model over processes as nlpkit does not.

    Raises:
        UserError: naming what was asked for.
    """
    for name, what in _DIVIDING.items():
        if _is_yes(os.environ.get(f"ACCELERATE_USE_{name}")):
            raise UserError(
                f"the configuration of `accelerate launch` asks for {what}: nlpkit trains with a whole model in each "
                "process (DDP), or divides it by FSDP2 or ZeRO-2",
                "Leave that out: accelerate launch --multi_gpu --num_processes N -m nlpkit ...; or take "
                "recipes/accelerate/fsdp2.yaml.",
            )
    stage = os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "2")
    if launched_for_deepspeed() and (stage not in ("1", "2") or os.environ.get("ACCELERATE_DEEPSPEED_CONFIG_FILE")):
        raise UserError(
            "the configuration of `accelerate launch` asks DeepSpeed for more than ZeRO-1 or ZeRO-2 as it says itself",
            "recipes/accelerate/fsdp2.yaml divides what ZeRO-3 does; name no deepspeed_config_file for ZeRO-2, see "
            "recipes/accelerate/deepspeed-zero2.yaml.",
        )
    if not _launched_for_fsdp():
        return
    if os.environ.get("FSDP_VERSION", "1") != "2":
        raise UserError("the configuration of `accelerate launch` asks for FSDP1", "Set fsdp_version: 2.")
    for name, instead in _NOT_WITH_FSDP.items():
        if _is_yes(os.environ.get(f"FSDP_{name}")):
            raise UserError(
                f"the configuration of `accelerate launch` asks for fsdp_{name.lower()}", f"Set it to false{instead}."
            )


def _launched_for_fsdp() -> bool:
    return _is_yes(os.environ.get("ACCELERATE_USE_FSDP"))


def _is_yes(value: str | None) -> bool:
    return (value or "").lower() in _YES


def require_one(work: str) -> None:
    """Stop where several processes were begun for what one does: each would do all of it, into the same files.

    Args:
        work: the command, as it is typed.

    Raises:
        UserError: there are several.
    """
    if world_size() > 1:
        raise UserError(
            f"{work} works in one process, and {world_size()} were begun (WORLD_SIZE)",
            f"Call it without torchrun or `accelerate launch`: nlpkit {work} ...",
        )


def local_rank() -> int | None:
    """This process's number on its machine; None where what launched it does not tell."""
    value = os.environ.get("LOCAL_RANK")
    return int(value) if value is not None else None


def local_world_size() -> int:
    """How many of the processes are on this machine; all of them where what launched them does not tell."""
    return int(os.environ.get("LOCAL_WORLD_SIZE") or world_size())


def launched_for_cpu() -> bool:
    """Whether `accelerate launch` was asked to leave GPUs alone; a Trainer does, whatever else it is told."""
    return _is_yes(os.environ.get("ACCELERATE_USE_CPU"))


def launched_precision() -> str | None:
    """The arithmetic that `accelerate launch` was asked for; None where it was not.

    Raises:
        UserError: it is one that nlpkit does not have.
    """
    precision = os.environ.get(LAUNCHED_PRECISION, "no").lower()
    if precision not in ("no", "bf16", "fp16"):
        raise UserError(
            f"`accelerate launch` was asked for {precision}", "nlpkit has bf16 and fp16: --mixed_precision bf16."
        )
    return None if precision == "no" else precision


def is_main_process() -> bool:
    """Whether this process is the one that speaks and writes."""
    return rank() == 0


def on_last_words(say: Callable[[NlpkitError], object] | None) -> None:
    """Choose how `speak_last` says it; None: in a line on standard error."""
    global _last_words
    _last_words = say


def speak_last(error: NlpkitError) -> None:
    """Say why this process ends where nothing can be raised: in a thread beside the main one, which waits."""
    if _last_words is not None:
        _last_words(error)
    else:
        sys.stderr.write(f"nlpkit: {error}\n")
