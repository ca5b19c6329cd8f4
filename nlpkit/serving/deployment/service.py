"""The service that is deployed: what its files are made from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nlpkit.errors import UserError
from nlpkit.models.files import ONNX_FOLDER, exported_file
from nlpkit.overview.run import ERRORS
from nlpkit.runs.folder import CHECKPOINTS, METRICS

MODELS = "/models"  # folder of the models in a container
NO_MODEL = (CHECKPOINTS, "plots", METRICS, ERRORS)  # of a run folder: what does not answer, and texts of its data
DNS_LABEL = 63  # characters of a name in Kubernetes, RFC 1123
SUFFIX = 20  # of these that are left for what is put behind it: -api-key, and what Kubernetes gives its pods


@dataclass(frozen=True)
class ServedFolder:
    """A model that is served.

    Attributes:
        name: in the URL of its requests.
        folder: of its run.
        why_torch: why it needs torch and transformers; empty where it answers without.
    """

    name: str
    folder: Path
    why_torch: str

    @property
    def files(self) -> list[Path]:
        """What of the folder answers, sorted: all files but hidden ones, `NO_MODEL`, and a second ONNX file."""
        graph = exported_file(self.folder)
        # there it lies for other programs, too
        skipped = NO_MODEL if graph is not None and graph.parent != self.folder else (*NO_MODEL, ONNX_FOLDER)
        parts = {file: file.relative_to(self.folder).parts for file in sorted(self.folder.rglob("*")) if file.is_file()}
        return [
            file
            for file, names in parts.items()
            if names[0] not in skipped and not any(name.startswith(".") for name in names)
        ]

    @property
    def bytes(self) -> int:
        """Size of these files."""
        return sum(file.stat().st_size for file in self.files)


@dataclass(frozen=True)
class Service:
    """A service as `nlpkit serve` was asked for it.

    Attributes:
        models: what is served, one or more.
        arguments: further arguments of `nlpkit serve`, as they are typed.
        port: that it listens on.
        drain_seconds: in which what waits is answered after SIGTERM.
        max_queue_seconds: of work that may wait.
        max_body_bytes: of a request.
        threads: of a model; None: as many as the container has cores.
        model_in_image: whether the models are copied into the image; else they are mounted.
    """

    models: tuple[ServedFolder, ...]
    arguments: tuple[str, ...]
    port: int
    drain_seconds: float
    max_queue_seconds: float
    max_body_bytes: int
    threads: int | None
    model_in_image: bool

    def __post_init__(self) -> None:
        for model in self.models:
            if not model.folder.is_dir():
                raise UserError(
                    f"{model.folder} is no folder: an image is made of models that are on this disk",
                    "Save the model in a folder first.",
                )

    @property
    def light(self) -> bool:
        """Whether all models answer without torch and transformers."""
        return not any(model.why_torch for model in self.models)

    @property
    def name(self) -> str:
        """Of the image, the containers and the objects of Kubernetes: that of the first model, as all can have it."""
        return f"nlpkit-{folder_names(self.models)[0]}"[: DNS_LABEL - SUFFIX].strip("-")

    @property
    def command(self) -> list[str]:
        """Arguments of `nlpkit serve` in a container."""
        places = [
            f"{model.name}={MODELS}/{folder}"
            for model, folder in zip(self.models, folder_names(self.models), strict=True)
        ]
        return [*places, "--host", "0.0.0.0", "--port", str(self.port), *self.arguments]


def folder_names(models: Sequence[ServedFolder]) -> list[str]:
    """What the folder of each model is called in a container: its name in lower-case letters, digits and dashes."""
    names: list[str] = []
    for model in models:
        plain = re.sub("[^a-z0-9]+", "-", model.name.lower()).strip("-") or "model"
        name, number = plain, 2
        while name in names:
            name, number = f"{plain}-{number}", number + 1
        names.append(name)
    return names
