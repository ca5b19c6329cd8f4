"""Docker: an image of the service, and compose files for one container and for two behind nginx."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from nlpkit import __version__, reporting
from nlpkit.models.files import exported_file
from nlpkit.reporting import Report, Table, counted
from nlpkit.runs.folder import human_bytes
from nlpkit.serving.deployment import folder as written
from nlpkit.serving.deployment import packages, wheel
from nlpkit.serving.deployment.service import MODELS, Service, folder_names
from nlpkit.serving.deployment.templates import filled, table, yaml_text

BASE = f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"  # the versions of the packages are for this one
UID = 10_001  # above those that a system gives its own users
NGINX = "nginx:1.28-alpine"  # the first stable series that follows replicas to new addresses
NGINX_UID = 101  # of the user `nginx` in that image
NGINX_PORT = 8080  # no privilege is needed to listen on it
REPLICAS = 2
GRACE_SECONDS = 10  # that the process may take to end once all is answered
# what comes through HTTP_PROXY of a container is no answer of its service
HEALTH = (
    "import http.client, sys; ask = http.client.HTTPConnection('127.0.0.1', {port}, timeout=4); "
    "ask.request('GET', '/health/ready'); sys.exit(ask.getresponse().status != 200)"
)
LIGHT_NOTE = """\
- The models run in ONNX Runtime: neither torch nor transformers is in the image.
"""
FULL_NOTE = """\
- A torch for CPUs lies in an index of its own: with `--build-arg PIP_EXTRA_INDEX_URL=...` pip takes it from there. From
  the usual index it takes the same version for NVIDIA's GPUs, with several GB of libraries. `nlpkit quantize RUN` makes
  a model that needs no torch.
"""
IN_IMAGE_NOTE = f"""\
- The models are part of the image, below `{MODELS}`.
"""
MOUNTED_NOTE = f"""\
- The models are mounted below `{MODELS}`, to be read alone; compose.yaml names their folders, whose files user {UID}
  must be able to read. `nlpkit serve ... --dockerfile DIR --model-in-image` copies them into the image.
"""


def write_docker(service: Service, folder: Path, *, overwrite: bool) -> Report:
    """Write what an image of the service is built from, and compose files that run it.

    Args:
        service: what is served.
        folder: for `Dockerfile`, `requirements.txt`, `.dockerignore`, `wheels/`, `compose.yaml`,
            `compose.replicas.yaml`, `nginx.conf`, `README.md`, and `models/` where the models are part of the image.
        overwrite: replace what lies there under these names.

    Raises:
        UserError: the folder is in use, a package that is needed is not installed, or there is no wheel of nlpkit.
    """
    written.require_free(folder, "--dockerfile", overwrite=overwrite)
    exported = any(exported_file(model.folder) for model in service.models)
    needed = packages.needed(light=service.light, exported=exported)
    wheels = folder / "wheels"
    wheels.mkdir(exist_ok=True)
    own = wheel.requirement(wheels)
    if service.model_in_image:
        models = folder / "models"
        models.mkdir(exist_ok=True)
        written.copy_models(models, service.models)
    elif unreadable := written.unreadable(service.models):
        reporting.current().warn(
            f"{counted(len(unreadable), 'file', 'files')} of the models cannot be read by user {UID} of the container, "
            f"as {unreadable[0]}: chmod -R a+rX the folder, or use --model-in-image"
        )
    for model in service.models:
        if model.why_torch:
            reporting.current().note(f"{model.name} needs torch and transformers in the image: {model.why_torch}")
    sizes = _sizes(service, needed)
    texts = {
        "Dockerfile": dockerfile(service, own),
        "requirements.txt": _requirements(service, needed),
        ".dockerignore": "*\n!requirements.txt\n!wheels/\n!models/\n",
        "compose.yaml": compose(service),
        "compose.replicas.yaml": compose_replicas(service),
        "nginx.conf": nginx_conf(service),
        "README.md": _readme(service, sizes),
    }
    written.write(folder, texts)
    total = sum(sizes.values())
    reporting.current().note(
        f"the packages are those that are installed here, in their versions; {BASE} comes to their size, and is pinned "
        "by its version, as its digest is not known here"
    )
    return Report(
        record={
            "command": "serve",
            "output": str(folder),
            "files": sorted([*texts, *(["wheels/" + own] if own.endswith(".whl") else [])]),
            "base": BASE,
            "packages": {each.name: each.version for each in needed},
            "bytes": sizes,
            "total_bytes": total,
        },
        tables=[
            Table(
                "image, without its base",
                ["what", "size"],
                [[name, human_bytes(size)] for name, size in [*sizes.items(), ("together", total)]],
            )
        ],
        next_command=f"docker compose --file {reporting.typed(folder / 'compose.yaml')} up --build",
    )


def dockerfile(service: Service, own: str) -> str:
    """The text of the Dockerfile.

    Args:
        own: the wheel of nlpkit in `wheels/`, or `nlpkit==VERSION`.
    """
    install = "RUN python -m pip --python /opt/nlpkit/bin/python install --no-cache-dir --only-binary :all: --no-deps"
    from_file = own.endswith(".whl")
    return filled(
        "Dockerfile",
        base=BASE,
        no_deps="--no-deps " if service.light else "",
        install=f"COPY wheels/ wheels/\n{install} wheels/{own}\n" if from_file else f"{install} {own}\n",
        models=f"COPY models/ {MODELS}/\n" if service.model_in_image else "",
        uid=UID,
        port=service.port,
        health=json.dumps(["python", "-I", "-c", HEALTH.format(port=service.port)]),
        command=json.dumps(service.command, ensure_ascii=False),
    )


def _requirements(service: Service, needed: list[packages.Package]) -> str:
    said = "# The versions that were installed where this file was written, on "
    said += f"Python {sys.version_info.major}.{sys.version_info.minor}.\n"
    if service.light:
        left_out = ", ".join(sorted(packages.NOT_IMPORTED))
        said += (
            f"# All that is needed, so pip looks for nothing else (--no-deps); {left_out} is not: no hub is asked.\n"
        )
    return said + "".join(f"{each.requirement}\n" for each in needed)


def _sizes(service: Service, needed: list[packages.Package]) -> dict[str, int]:
    """Bytes in the image by package, those of little together; without its base."""
    sizes = {each.name: each.bytes for each in sorted(needed, key=lambda each: -each.bytes) if each.bytes >= 5_000_000}
    small = [each for each in needed if each.bytes < 5_000_000]
    sizes[counted(len(small), "other package", "other packages")] = sum(each.bytes for each in small)
    own = [file for file in Path(reporting.__file__).parent.rglob("*") if file.is_file() and file.suffix != ".pyc"]
    # pip compiles what it installs, to about as much
    sizes[f"nlpkit {__version__}"] = sum(file.stat().st_size * (1 + (file.suffix == ".py")) for file in own)
    if service.model_in_image:
        for model in service.models:
            sizes[f"model {model.name}"] = model.bytes
    return sizes


def _container(service: Service) -> dict[str, Any]:
    """A container of the service, as compose files describe it."""
    container: dict[str, Any] = {
        "image": f"{service.name}:{__version__}",
        "build": {"context": "."},
        # names alone: the values are those of the shell, and without one there is none
        "environment": ["NLPKIT_API_KEY", "OMP_NUM_THREADS"],
        "read_only": True,
        "tmpfs": ["/tmp"],
        "init": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "restart": "unless-stopped",
        "stop_grace_period": f"{_grace(service)}s",
    }
    if not service.model_in_image:
        container["volumes"] = [
            {
                "type": "bind",
                "source": str(model.folder.resolve()).replace("$", "$$"),
                "target": f"{MODELS}/{name}",
                "read_only": True,
                "bind": {"create_host_path": False},
            }
            for model, name in zip(service.models, folder_names(service.models), strict=True)
        ]
    return container


def compose(service: Service) -> str:
    """The text of a compose file with one container."""
    container = {**_container(service), "ports": [f"127.0.0.1:{service.port}:{service.port}"]}
    return yaml_text({"name": service.name, "services": {"nlpkit": container}}, "README.md says more.")


def compose_replicas(service: Service) -> str:
    """The text of a compose file with two containers behind nginx."""
    replicas = {name: _container(service) for name in _replicas()}
    nginx = {
        "image": NGINX,
        "user": f"{NGINX_UID}:{NGINX_UID}",
        "command": ["nginx", "-g", "daemon off;"],
        "volumes": ["./nginx.conf:/etc/nginx/nginx.conf:ro"],
        "ports": [f"127.0.0.1:{service.port}:{NGINX_PORT}"],
        "depends_on": {name: {"condition": "service_healthy"} for name in _replicas()},
        "read_only": True,
        "tmpfs": ["/tmp:mode=1777"],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "restart": "unless-stopped",
        # it hands on what the replicas still answer
        "stop_signal": "SIGQUIT",
        "stop_grace_period": f"{_grace(service)}s",
    }
    project = {"name": f"{service.name}-replicas", "services": {**replicas, "nginx": nginx}}
    return yaml_text(project, "README.md says more.")


def nginx_conf(service: Service) -> str:
    """The text of nginx.conf for the replicas of `compose_replicas`."""
    lines = [f"        server {name}:{service.port} resolve max_fails=1 fail_timeout=1s;" for name in _replicas()]
    return filled(
        "nginx.conf",
        servers="\n".join(lines),
        listen=NGINX_PORT,
        body_bytes=service.max_body_bytes,
        tries=REPLICAS,
    )


def _replicas() -> list[str]:
    return [f"replica-{number}" for number in range(1, REPLICAS + 1)]


def _grace(service: Service) -> int:
    """Seconds after SIGTERM before a container is killed."""
    return math.ceil(service.drain_seconds) + GRACE_SECONDS


def _readme(service: Service, sizes: dict[str, int]) -> str:
    notes = [LIGHT_NOTE if service.light else FULL_NOTE, IN_IMAGE_NOTE if service.model_in_image else MOUNTED_NOTE]
    return filled(
        "docker.md",
        name=service.name,
        what=", ".join(f"`{model.name}`" for model in service.models),
        port=service.port,
        uid=UID,
        sizes=table([(name, f"{size / 1e6:.1f}") for name, size in sizes.items()]),
        total=f"{sum(sizes.values()) / 1e6:.1f}",
        notes="".join(notes),
        drain=f"{service.drain_seconds:g}",
        grace=f"{_grace(service)} s",
    )
