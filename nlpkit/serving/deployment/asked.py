"""From the options of `nlpkit serve` to the files that run this very service elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nlpkit.errors import UserError
from nlpkit.inference import light
from nlpkit.options import flag_of
from nlpkit.reporting import Report
from nlpkit.serving import searched
from nlpkit.serving.deployment.docker import write_docker
from nlpkit.serving.deployment.kubernetes import write_kubernetes
from nlpkit.serving.deployment.options import DeploymentOptions
from nlpkit.serving.deployment.service import ServedFolder, Service
from nlpkit.serving.options import ServiceOptions

PORT = 8000  # where any free one was asked for
# what nginx and Kubernetes are told, too: it stands in the command even where it is the default
ALWAYS = ("drain_seconds", "max_body_mb", "max_queue_seconds")
# what is another in a container, or stands elsewhere in the command
NOT_COPIED = ("runs", "host", "port", "api_key_file", "device")


def write(options: ServiceOptions, files: DeploymentOptions, names: Mapping[str, str]) -> Report:
    """Write the files that were asked for.

    Args:
        options: of the service.
        files: where they go.
        names: of each model, with its folder.

    Raises:
        UserError: what is served cannot be put into an image, or a folder is in use.
    """
    service = service_of(options, files, names)
    reports: dict[str, Report] = {}
    if files.dockerfile is not None:
        reports["docker"] = write_docker(service, files.dockerfile, overwrite=files.overwrite)
    if files.kubernetes is not None:
        reports["kubernetes"] = write_kubernetes(service, files.kubernetes, overwrite=files.overwrite)
    return Report(
        record={"command": "serve", **{name: report.record for name, report in reports.items()}},
        tables=[table for report in reports.values() for table in report.tables],
        lines=[line for report in reports.values() for line in report.lines],
        next_command=next(report.next_command for report in reports.values()),
    )


def service_of(options: ServiceOptions, files: DeploymentOptions, names: Mapping[str, str]) -> Service:
    """The service that is described by these options.

    Raises:
        UserError: a model is no folder or an index, an option names a place or a device that a container has not, or
            the keys stand in a file.
    """
    for name, run in names.items():
        if searched.is_index(run):
            raise UserError(
                f"{name}: {run} is an index, which names the place of its model on this machine",
                "Images are made of models; serve the index here, with `nlpkit serve`.",
            )
    if options.tokenizer is not None:
        raise UserError(f"--tokenizer {options.tokenizer} is outside of the model's folder", "Copy it there.")
    if options.device not in ("auto", "cpu"):
        raise UserError(f"--device {options.device}: the images are for CPUs", "Leave it out.")
    if options.api_key_file is not None:
        raise UserError(
            f"--api-key-file {options.api_key_file}: no key is written into files that are passed on",
            "Leave it out: containers are given the key in NLPKIT_API_KEY, as README.md in the folder says.",
        )
    return Service(
        models=tuple(ServedFolder(name, Path(run), _why_torch(run, options.task)) for name, run in names.items()),
        arguments=tuple(_arguments(options)),
        port=options.port or PORT,
        drain_seconds=options.drain_seconds,
        max_queue_seconds=options.max_queue_seconds,
        max_body_bytes=int(options.max_body_mb * 1e6),
        threads=options.threads,
        model_in_image=files.model_in_image,
    )


def _why_torch(run: str, task: str | None) -> str:
    why = light.why_torch(run, task)
    return why if isinstance(why, str) else ""


def _arguments(options: ServiceOptions) -> list[str]:
    """The options as they are typed: those that were given, and `ALWAYS`."""
    names = [name for name in ServiceOptions.model_fields if name in options.given or name in ALWAYS]
    return [part for name in names if name not in NOT_COPIED for part in _typed(name, getattr(options, name))]


def _typed(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [flag_of(name)] if value else []
    if value is None:
        return []
    return [flag_of(name), str(value).removesuffix(".0")]
