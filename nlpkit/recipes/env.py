"""Print what a bug report or a paper needs to know of this machine and its software.

CPU, memory and the limits on them, GPUs, threads, versions, extras, what accelerate sees, whether the network is used,
caches, and the environment variables that change results or speed. Tokens and passwords are not shown.

Example: nlpkit env
nlpkit env --json > environment.json
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nlpkit import machine, options
from nlpkit.measurement import environment
from nlpkit.reporting import Report, Table, counted
from nlpkit.runs.folder import human_bytes

COMMAND = "env"
ESSENTIAL: tuple[str, ...] = ()
VERSIONS_A_LINE = 3
DESCRIBES_PROCESSES = True  # begun by torchrun or `accelerate launch`, it tells what these have begun


class Config(options.Config):
    """`nlpkit env` has no options of its own."""


def run(config: Config) -> Report:
    """Describe; imports torch, for its threads and devices, but not transformers."""
    env = environment.describe()
    rows: list[tuple[str, str, str]] = []
    for group, lines in _groups(env):
        rows += [(group if i == 0 else "", name, text) for i, (name, text) in enumerate(lines)]
    table = Table(f"environment of nlpkit {env['versions']['nlpkit']}", ("", "what", "found"), rows, to_left=True)
    return Report(env, [table])


def _groups(env: dict[str, Any]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    yield "machine", list(_machine(env))
    yield "software", list(_software(env))
    yield "extras", list(_extras(env))
    yield "accelerate", list(_accelerate(env["accelerate"]))
    yield "network", [("hub", _offline(env))]
    yield "caches", [(name, _cache(cache)) for name, cache in env["caches"].items()]
    yield "variables", list(env["variables"].items()) or [("", "none that changes results or speed")]


def _machine(env: dict[str, Any]) -> Iterator[tuple[str, str]]:
    system, cpu = env["system"], env["cpu"]
    yield "system", ", ".join(filter(None, [system["name"], system["distribution"], cpu["architecture"]]))
    yield "CPU", environment.cpu_line(env)
    clock = [f"{cpu['mhz']} MHz"] if cpu["mhz"] else []
    clock += [f"at most {cpu['max_mhz']} MHz"] if cpu["max_mhz"] else []
    clock += [f"governor {cpu['governor']}"] if cpu["governor"] else []
    yield "clock", ", ".join(clock) or "the system does not tell"
    if system["load_average"]:
        yield "load", " ".join(f"{load:.2f}" for load in system["load_average"]) + " (1, 5, 15 minutes)"
    yield "memory", environment.memory_line(env)
    for gpu in environment.gpus_of(env):
        yield "GPU", environment.gpu_line(gpu)
    seen = [gpu["name"] for gpu in env["torch"]["gpus"]] + ["MPS"] * env["torch"]["mps"]
    yield "torch sees", ", ".join(seen) or "no GPU"
    yield "energy", "; ".join(f"{counter} ({device})" for device, counter in env["energy"].items())


def _software(env: dict[str, Any]) -> Iterator[tuple[str, str]]:
    torch, versions = env["torch"], env["versions"]
    yield "python", env["system"]["python"]
    yield (
        "threads",
        (
            f"{machine.threads()[0]} unless --threads says another number; torch alone takes {torch['threads']}, "
            f"and {torch['interop_threads']} between operations"
        ),
    )
    built = f"ROCm {torch['hip']}" if torch["hip"] else "the CPU"
    if torch["cuda"]:
        built = f"CUDA {torch['cuda']}"
    kernels = [f"{torch['kernels']} kernels", f"BLAS {torch['blas'] or 'none'}", f"oneDNN {torch['onednn'] or 'none'}"]
    yield "torch", ", ".join([*kernels, f"linear layers by {torch['linear']}", f"built for {built}"])
    if torch["cuda"]:
        libraries = [f"{name} {torch[key] or 'none'}" for name, key in (("cuDNN", "cudnn"), ("NCCL", "nccl"))]
        exact = "float32 is exact unless --precision tf32 is given"
        yield "CUDA", ", ".join([f"runtime {torch['cuda']}", *libraries, exact])
    yield "compile", "; ".join(_compile(env))
    if env["onnxruntime"] is not None:
        packages = ", ".join(env["onnxruntime"]) or "installed in part, as where one of two packages of it was removed"
        yield "onnxruntime", "; ".join(filter(None, [packages, env["onnxruntime_on_cuda"]]))
    shown = [f"{name} {version}" for name, version in versions.items() if name != "python"]
    for start in range(0, len(shown), VERSIONS_A_LINE):
        yield "versions" if start == 0 else "", ", ".join(shown[start : start + VERSIONS_A_LINE])


def _compile(env: dict[str, Any]) -> Iterator[str]:
    for device, name in (("cpu", "the CPU"), ("cuda", "a GPU")):
        missing = env["compile"][device]
        if device == "cuda" and not env["torch"]["cuda"]:
            continue
        compiler = f"C++ compiler {env['compiler']}" if device == "cpu" else f"Triton {env['versions'].get('triton')}"
        yield f"--compile on {name} lacks {missing}" if missing else compiler


def _extras(env: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, extra in env["extras"].items():
        missing = ", ".join(extra["missing"])
        yield name, f"without {missing}: {extra['install']}" if missing else "installed"
    yield "minilm", "installed" if env["minilm"] else "taken from the hub"


def _accelerate(seen: dict[str, Any]) -> Iterator[tuple[str, str]]:
    several = f"{counted(seen['processes'], 'process', 'processes')}, {seen['processes_here']} on this machine"
    how = several if seen["processes"] > 1 else "1 process"
    backend = f", over {seen['backend']}" if seen["backend"] else ""
    precision = (
        "in the precision of --precision" if seen["mixed_precision"] == "no" else f"in {seen['mixed_precision']}"
    )
    devices = counted(len(seen["devices"]), "GPU", "GPUs") if seen["devices"] else "the CPU"
    yield "sees", f"{seen['distributed_type']}: {how}{backend}, {devices}, {precision}"
    config = seen["config"]
    if config is None:
        yield "launch", "no configuration file (accelerate config writes one; recipes/accelerate/ has some)"
    elif "problem" in config:
        yield "launch", f"{config['path']}: {config['problem']}"
    else:
        told = [f"{name} {value}" for name, value in config.items() if name != "path" and value is not None]
        yield "launch", f"{config['path']}: {', '.join(told)}"


def _offline(env: dict[str, Any]) -> str:
    if env["offline"]:
        return "offline: only files and what is in the caches; nothing is fetched or sent"
    return "models and data that are not local are fetched from it; HF_HUB_OFFLINE=1 forbids that"


def _cache(cache: dict[str, Any]) -> str:
    if cache["path"] is None:
        return "none: there is no home folder; NLPKIT_CACHE=FOLDER names a place"
    if cache["bytes"] is None:
        return f"{cache['path']}, not there yet"
    size = human_bytes(cache["bytes"])
    return f"{cache['path']}, {size if cache['complete'] else 'more than ' + size}"
