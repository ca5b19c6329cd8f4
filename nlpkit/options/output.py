"""Options of where a run goes, and who is told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from nlpkit.options.card import CardOptions
from nlpkit.options.declaring import Config, option
from nlpkit.options.training import TrainingOptions
from nlpkit.options.values import Repository


class FolderOptions(Config):
    """Where the run folder goes."""

    output: Path | None = option(
        None, "Run folder to write.", panel="Output", metavar="DIR", shown_default="runs/<data>-<model>"
    )
    overwrite: bool = option(False, "Replace an earlier run in --output.", panel="Output")


class OutputOptions(FolderOptions):
    """What becomes of the run folder."""

    resume: bool = option(False, "Go on with the interrupted run in --output.", panel="Output")
    dry_run: bool = option(False, "Check data and model, show the plan, stop.", panel="Output")
    keep_checkpoints: bool = option(False, "Keep best and last checkpoint after the run.", panel="Output")


class TrackerOptions(Config):
    """Who is told of a run while it trains."""

    report_to: Literal["none", "tensorboard", "wandb", "all"] = option(
        "none", "Send metrics to a tracker, or to all that are installed.", panel="Output"
    )


class UploadOptions(Config):
    """Where the finished run is uploaded."""

    push_to_hub: Repository = option(
        None,
        "Upload the finished run to this hub repository, `true`: of the folder's name (private unless --public).",
        panel="Output",
        metavar="REPO",
    )
    public: bool = option(False, "Make a new repository public.", panel="Output", only_with="push_to_hub")


class RunOptions(UploadOptions, CardOptions, TrackerOptions, OutputOptions, TrainingOptions):
    """What every command takes that trains a model: how, where the run folder goes, and who is told."""
