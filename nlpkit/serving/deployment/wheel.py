"""nlpkit itself, as pip installs it into an image: the code that runs here, not what an index has under its name."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import nlpkit
from nlpkit import __version__
from nlpkit.errors import UserError

SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "nlpkit", "recipes")  # that a wheel is built from
BUILD_SECONDS = 300.0
SETUPTOOLS = 77  # the oldest that pyproject.toml builds with; where there is one, nothing is fetched


def requirement(folder: Path) -> str:
    """What pip installs nlpkit from in an image: a wheel, put into `folder`, or a version of the package index.

    The wheel is built of the checkout that runs here, or it is the one that was installed. What came from the package
    index comes from there again.

    Args:
        folder: that exists.

    Returns:
        The name of the wheel in `folder`, or `nlpkit==VERSION`.

    Raises:
        UserError: it can be had in no such way.
    """
    checkout = Path(nlpkit.__file__).parent.parent
    if (checkout / "pyproject.toml").is_file():
        return _built(checkout, folder).name
    origin = json.loads(metadata.distribution("nlpkit").read_text("direct_url.json") or "{}")
    if not origin:
        return f"nlpkit=={__version__}"
    place = urlsplit(origin["url"])
    archive = Path(url2pathname(place.path))
    if place.scheme == "file" and archive.suffix == ".whl" and archive.is_file():
        shutil.copyfile(archive, folder / archive.name)
        return archive.name
    raise UserError(
        f"nlpkit was installed from {origin['url']}, which is no wheel on this disk, as one is put into an image",
        "Build it (`pip wheel --no-deps` and that address), install that file, and run this command again.",
    )


def _built(checkout: Path, folder: Path) -> Path:
    """A wheel of a checkout, in which nothing is written."""
    with tempfile.TemporaryDirectory(prefix="nlpkit-wheel-") as scratch:
        copy = Path(scratch) / "nlpkit"
        for name in SOURCES:
            source = checkout / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                copy.mkdir(exist_ok=True)
                shutil.copyfile(source, copy / name)
        isolated = ("--no-build-isolation",) if _has_setuptools() else ()
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", *isolated]
        command += ["--wheel-dir", str(folder), str(copy)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise UserError(f"pip has not built a wheel of {checkout} in {BUILD_SECONDS:.0f} s") from None
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["pip says nothing"]
            raise UserError(
                f"no wheel of {checkout} could be built: {said[-1]}",
                "Try `pip wheel --no-deps` there: it takes pip, and setuptools or the package index.",
            )
    return next(folder.glob(f"nlpkit-{__version__}-*.whl"))


def _has_setuptools() -> bool:
    try:
        return int(metadata.version("setuptools").partition(".")[0]) >= SETUPTOOLS
    except metadata.PackageNotFoundError:
        return False
