"""Options of the files that run a service elsewhere."""

from __future__ import annotations

from pathlib import Path

from nlpkit.options import FolderOptions, option, option_like
from nlpkit.options.conditions import OnlyWith
from nlpkit.options.declaring import Config

WRITTEN = OnlyWith(("dockerfile", "kubernetes"))


class DeploymentOptions(Config):
    """Files to write in the place of serving."""

    dockerfile: Path | None = option(
        None, "Write Dockerfile, compose files and nginx.conf there; do not serve.", panel="Deployment", metavar="DIR"
    )
    kubernetes: Path | None = option(None, "Write manifests there; do not serve.", panel="Deployment", metavar="DIR")
    model_in_image: bool = option(
        False, "The models are part of the image; else they are mounted.", panel="Deployment", only_with=WRITTEN
    )
    overwrite: bool = option_like(
        FolderOptions, "overwrite", help="Replace files there.", panel="Deployment", only_with=WRITTEN
    )
