"""How much memory a process takes at most while something runs.

On Linux the system keeps the peak of the resident memory, and can be told to start over; on a GPU torch's allocator
does, and of ONNX Runtime the driver tells. Elsewhere a thread looks every millisecond.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from nlpkit.hardware import nvml

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # written to clear_refs (Linux 4.0, Documentation/filesystems/proc.rst)
EVERY = 0.001  # seconds between two looks of a thread


class Meter(Protocol):
    """Memory in use, in bytes."""

    method: str

    def in_use(self) -> int:
        """Now."""

    def start(self) -> int:
        """Forget the peak until now; what is in use now."""

    def peak(self) -> int:
        """The most since `start`."""


class Resident:
    """Resident memory of this process, as Linux keeps it."""

    method = "peak resident memory of the process, as the system keeps it"

    def in_use(self) -> int:
        """See `Meter`."""
        return _status("VmRSS")

    def start(self) -> int:
        """See `Meter`."""
        CLEAR.write_text(RESET_PEAK, encoding="ascii")
        return self.in_use()

    def peak(self) -> int:
        """See `Meter`."""
        return _status("VmHWM")


class Allocated:
    """What torch has allocated on a CUDA GPU."""

    method = "peak memory that torch allocated on the GPU"

    def in_use(self) -> int:
        """See `Meter`."""
        import torch

        return torch.cuda.memory_allocated()

    def start(self) -> int:
        """See `Meter`."""
        import torch

        torch.cuda.reset_peak_memory_stats()
        return self.in_use()

    def peak(self) -> int:
        """See `Meter`."""
        import torch

        return torch.cuda.max_memory_allocated()


class OfProcess:
    """What this process has on a CUDA GPU, as the driver counts it: torch knows nothing of ONNX Runtime's allocator.

    That keeps what it has taken until its session ends, so the peak is what is in use behind the calls.

    Args:
        gpu: that the process uses.
    """

    method = (
        "memory of the process on the GPU as the driver counts it (NVML), CUDA's context with it, which ONNX Runtime "
        "keeps until a size is done"
    )

    def __init__(self, gpu: nvml.Gpu) -> None:
        self._gpu = gpu
        self._last = 0

    def in_use(self) -> int:
        """See `Meter`."""
        self._last = self._gpu.own_bytes() or self._last
        return self._last

    def start(self) -> int:
        """See `Meter`."""
        return self.in_use()

    def peak(self) -> int:
        """See `Meter`."""
        return self.in_use()


class Growth:
    """By how much the memory in use on the whole GPU has grown, where nothing tells which part is of this process.

    Args:
        before: bytes in use on the whole GPU before the model was opened.
        why: nothing tells.
    """

    def __init__(self, before: int, why: str) -> None:
        self.method = (
            "growth of the memory in use on the whole GPU since before the model was opened, with what other processes "
            f"took or gave back since; that of this process is not known ({why})"
        )
        self._before = before

    def in_use(self) -> int:
        """See `Meter`."""
        return max(whole_gpu() - self._before, 0)

    def start(self) -> int:
        """See `Meter`."""
        return self.in_use()

    def peak(self) -> int:
        """See `Meter`; ONNX Runtime gives nothing back meanwhile."""
        return self.in_use()


class Sampled:
    """Memory that a thread looks at every millisecond.

    Args:
        read: bytes in use now.
        what: these are.
    """

    def __init__(self, read: Callable[[], int], what: str) -> None:
        self.method = f"{what}, looked at every millisecond"
        self.in_use = read
        self._peak = 0
        self._stop: threading.Event | None = None

    def start(self) -> int:
        """See `Meter`."""
        if self._stop is not None:
            self._stop.set()
        self._stop = threading.Event()
        self._peak = self.in_use()
        threading.Thread(target=self._watch, args=(self._stop,), daemon=True).start()
        return self._peak

    def _watch(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._peak = max(self._peak, self.in_use())
            time.sleep(EVERY)

    def peak(self) -> int:
        """See `Meter`; the thread ends."""
        if self._stop is not None:
            self._stop.set()
        return max(self._peak, self.in_use())


def meter(device: str = "cpu", *, exported: bool = False, before: int = 0) -> Meter:
    """What tells the memory of a model.

    Args:
        device: as torch names it.
        exported: whether ONNX Runtime runs it, whose allocator torch knows nothing of.
        before: bytes in use on the whole GPU before the model was opened; see `whole_gpu`.
    """
    kind = device.partition(":")[0]
    if kind == "cuda" and exported:
        return _of_process(before)
    if kind == "cuda":
        return Allocated()
    if kind == "mps":
        import torch

        return Sampled(torch.mps.driver_allocated_memory, "memory that the GPU driver allocated")
    if _keeps_peak():
        return Resident()
    import psutil

    process = psutil.Process()
    return Sampled(lambda: process.memory_info().rss, "resident memory of the process")


def _keeps_peak() -> bool:
    try:
        CLEAR.write_text(RESET_PEAK, encoding="ascii")
    except OSError:  # another system, or a sandbox that forbids it
        return False
    return STATUS.exists()


def _status(field: str) -> int:
    match = re.search(rf"^{field}:\s+(\d+) kB", STATUS.read_text(encoding="ascii", errors="replace"), re.MULTILINE)
    assert match is not None  # since Linux 2.6
    return int(match[1]) * 1024


def _of_process(before: int) -> Meter:
    gpu = nvml.gpu()
    if isinstance(gpu, str):
        return Growth(before, gpu)
    if gpu.own_bytes() is None:
        return Growth(before, "the driver does not name it, as in many containers")
    return OfProcess(gpu)


def whole_gpu() -> int:
    """Bytes in use on the CUDA GPU, by whomever."""
    import torch

    free, total = torch.cuda.mem_get_info()
    return total - free


def release() -> None:
    """Give back to the system and the device what nothing holds any more."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
    with contextlib.suppress(OSError, AttributeError):  # a C library other than glibc keeps what it keeps
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def is_exhausted(error: BaseException) -> bool:
    """Whether an error of torch, of a library of the GPU's maker, ONNX Runtime, numpy or Python says that there is no
    memory left."""
    torch: Any = sys.modules.get("torch")  # where it is not imported, nothing has raised an error of its own
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return any(phrase in text for phrase in _EXHAUSTED)


_EXHAUSTED = (
    "can't allocate memory",  # torch's CPU allocator
    "not enough memory",  # the same, on Windows
    "failed to allocate memory",  # ONNX Runtime
    "std::bad_alloc",
    "bad allocation",
    "cannot allocate memory",  # the system
    "out of memory",  # CUDA, MPS and NCCL, where they raise no OutOfMemoryError of torch
    "alloc_failed",  # CUBLAS_STATUS_, CUDNN_STATUS_, CUSOLVER_STATUS_: their workspaces
    "allocation_failed",  # cuDNN 9: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_
    "invalid buffer size",  # MPS: more than one buffer may hold
)
