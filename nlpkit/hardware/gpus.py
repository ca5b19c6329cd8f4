"""What a run tells of the GPU that it works on: how many there are beside it, and what decides its speed."""

from __future__ import annotations

import functools
from typing import Any

from nlpkit import machine, process
from nlpkit.hardware import arithmetic, devices, toolchain
from nlpkit.hardware.devices import Device


def shown(device: Device) -> str:
    """The device for a plan, how many processes share the work, and the GPUs that these leave idle."""
    text = device.described
    if process.world_size() > 1:
        text += f", {process.world_size()} processes"
    text += {"FSDP2": " that divide the weights (FSDP2)", "ZeRO": " that divide the optimizer (ZeRO)"}.get(
        process.division() or "", ""
    )
    if device.name != "cuda":
        return text
    working, count = process.local_world_size(), _left_by_user()
    if count > working:
        text += f"; {count - working} of {count} GPUs idle (torchrun --nproc-per-node {count} -m nlpkit ... uses all)"
    return text


def _left_by_user() -> int:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves, of those of the machine where it says nothing."""
    named = devices.visible()
    return len(named.split(",")) if named else len(_of_machine())


@functools.cache
def _of_machine() -> list[dict[str, Any]]:
    return machine.gpus()


def recorded(device: Device) -> dict[str, Any]:
    """For a record, beside `device`: {} without an NVIDIA GPU, else the key `gpu`.

    Its keys: `name`, `index` (among those that the process sees), `compute_capability`, `memory_bytes`; of torch
    `cuda`, `cudnn`, `nccl` and `tf32`; of the driver, None where it does not tell, `number` (its own, which `--device
    cuda:N` takes), `driver`, `max_watts`, `default_watts` and `slowed`, see `machine.gpus`.
    """
    import torch

    if device.name != "cuda" or device.index is None:
        return {}
    properties = torch.cuda.get_device_properties(device.index)
    known = _of_machine()
    place = devices.address(properties)
    number = next((i for i, gpu in enumerate(known) if place and gpu["pci"] == place), None)
    told = known[number] if number is not None else {}
    return {
        "gpu": {
            "name": properties.name,
            "index": device.index,
            "number": number,
            "compute_capability": f"{properties.major}.{properties.minor}",
            "memory_bytes": properties.total_memory,
            **toolchain.cuda_libraries(),
            "tf32": arithmetic.computes_in_tf32(),
            **{name: told.get(name) for name in ("driver", "max_watts", "default_watts", "slowed")},
        }
    }
