"""A run of several trainings (folds, seeds) that is interrupted as one of them begins."""

from __future__ import annotations

from typing import Any

import pytest

from nlpkit.experiment import lifecycle


def interrupt(patch: pytest.MonkeyPatch, *parts: str) -> list[str]:
    """Interrupt what is trained as soon as just these parts have begun, by the names of their folders.

    Returns:
        The names of the parts that have begun, which grows.
    """
    begun: list[str] = []
    train = lifecycle.train

    def interrupted(experiment: Any, prepare: Any) -> Any:
        begun.append(experiment.folder.path.name)
        if begun == list(parts):
            raise KeyboardInterrupt
        return train(experiment, prepare)

    patch.setattr(lifecycle, "train", interrupted)
    return begun
