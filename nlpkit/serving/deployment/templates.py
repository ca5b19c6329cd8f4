"""The texts of deployment files, as they lie in `texts/`: @name stands for a value, @@ for @."""

from __future__ import annotations

import string
from importlib import resources
from typing import Any

import yaml

from nlpkit import __version__


class _Text(string.Template):
    delimiter = "@"  # shells, nginx and Dockerfiles have $


def filled(name: str, /, **values: object) -> str:
    """A text with its values.

    Args:
        name: of the file in `texts/`.
        values: of all names in it but `version`.
    """
    text = (resources.files("nlpkit.serving.deployment") / "texts" / name).read_text(encoding="utf-8")
    return _Text(text).substitute(version=__version__, **values)


def table(rows: list[tuple[str, str]]) -> str:
    """Rows of a Markdown table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


class _Plain(yaml.SafeDumper):
    """Each value where it stands: people read these files, and Kubernetes's tools lose what points elsewhere."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def yaml_text(document: dict[str, Any], said: str) -> str:
    """A YAML file.

    Args:
        said: stands above it.
    """
    text = yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)
    return f"# Written by nlpkit {__version__}; {said}\n{text}"
