"""The service that is deployed: what its files are made from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nlpkit.errors import UserError

MODELS = "/models"  # folder of the models in a container
NO_MODEL = ("checkpoints", "plots")  # of a run folder: what does not answer
DNS_LABEL = 63  # characters of a name in Kubernetes, RFC 1123
SUFFIX = 20  # of these that are left for what is put behind it: -api-key, and what Kubernetes gives its pods


@dataclass(frozen=True)
class ServedFolder:
    """A model that is served.

    Attributes:
        name: in the URL of its requests.
        folder: of its run.
        light: whether it answers without torch and transformers.
    """

    name: str
    folder: Path
    light: bool

    @property
    def files(self) -> list[Path]:
        """What of the folder answers: all files but checkpoints, plots and hidden ones, sorted."""
        return [
            file
            for file in sorted(self.folder.rglob("*"))
            if file.is_file()
            and not any(part.startswith(".") for part in file.relative_to(self.folder).parts)
            and file.relative_to(self.folder).parts[0] not in NO_MODEL
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
        return all(model.light for model in self.models)

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
