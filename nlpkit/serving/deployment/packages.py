"""Which packages a service needs, in the versions that are installed here, and how large they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from nlpkit.errors import UserError
from nlpkit.inference.light import DISTRIBUTIONS

SERVICE = ("fastapi", "httptools", "prometheus-client", "uvicorn", "uvloop")
# what any model answers with, beside what an exported one does; what nlpkit trains, judges and draws with is left out
FULL = ("datasets", "psutil", "scipy", "torch", "transformers")
# tokenizers imports the hub's client where a name of the hub is opened, and a service opens folders
NOT_IMPORTED = frozenset({"huggingface-hub"})
LINUX = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}  # an image is, whatever writes it


@dataclass(frozen=True)
class Package:
    """A distribution of the package index.

    Attributes:
        name, version: as they are installed here.
        bytes: of its files.
    """

    name: str
    version: str
    bytes: int

    @property
    def requirement(self) -> str:
        """For pip; without what a build for one kind of machine puts behind the version (2.13.0+cpu)."""
        return f"{self.name}=={self.version.partition('+')[0]}"


def needed(*, light: bool, exported: bool) -> list[Package]:
    """What a service answers with beside nlpkit, by name.

    Args:
        light: whether all of its models answer without torch and transformers.
        exported: whether a model runs in ONNX Runtime.

    Raises:
        UserError: a package is not installed.
    """
    if light:
        return closed_over((*SERVICE, *DISTRIBUTIONS), without=NOT_IMPORTED)
    names = [name for name in DISTRIBUTIONS if exported or name != "onnxruntime"]
    return closed_over((*SERVICE, *FULL, *names))


def closed_over(names: Iterable[str], without: Collection[str] = ()) -> list[Package]:
    """These packages, and all that they need on Linux, by name.

    Args:
        names: of distributions.
        without: what is left out, with what it alone needs.

    Raises:
        UserError: one is not installed here, so that nobody knows its version.
    """
    from packaging.utils import canonicalize_name

    found: dict[str, metadata.Distribution] = {}
    waiting = [canonicalize_name(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in found or name in without:
            continue
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            raise UserError(
                f"{name}, which the service needs, is not installed: the version to put into the image is not known",
                "pip install 'nlpkit[serve]', and 'nlpkit[onnx]' for a model that was exported.",
            ) from None
        waiting += [canonicalize_name(needed) for needed in _required(found[name])]
    return [Package(name, found[name].version, _bytes(found[name])) for name in sorted(found)]


def _required(distribution: metadata.Distribution) -> list[str]:
    """Names of what a distribution needs on Linux."""
    from packaging.requirements import Requirement

    every = map(Requirement, distribution.requires or ())
    return [each.name for each in every if each.marker is None or each.marker.evaluate({**LINUX, "extra": ""})]


def _bytes(distribution: metadata.Distribution) -> int:
    """Size of its files that are there."""
    places = (Path(str(distribution.locate_file(file))) for file in distribution.files or ())
    return sum(place.stat().st_size for place in places if place.is_file())
