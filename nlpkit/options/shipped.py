"""The recipes that ship with nlpkit: experiments as YAML files, which `--config` finds by their names."""

from __future__ import annotations

from pathlib import Path

import nlpkit
from nlpkit import nearby

INSTALLED = "recipe_files"  # folder in an installed package; setup.py puts there what lies in recipes/ of a checkout


def folder() -> Path:
    """Where the recipes are: in the package, or in recipes/ of the checkout that it is imported from."""
    package = Path(nlpkit.__file__).parent
    installed = package / INSTALLED
    return installed if installed.is_dir() else package.parent / "recipes"


def names() -> list[str]:
    """The names of the recipes, in the order of the alphabet."""
    return sorted(path.stem for path in folder().glob("*.yaml"))


def path_of(name: str) -> Path | None:
    """The file of the recipe of a name, which may end in .yaml; None where there is none."""
    stem = name.removesuffix(".yaml")
    return folder() / f"{stem}.yaml" if stem in names() else None


def hint(given: Path) -> str | None:
    """What may have been meant by a config file that is not there."""
    if path_of(given.stem):
        return f"The recipe of that name ships with nlpkit: --config {given.stem}."
    near = nearby.nearest(given.stem, names())
    return f"Did you mean --config {near}? `nlpkit recipes` lists those that ship." if near else None
