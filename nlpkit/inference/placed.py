"""A model where it runs, as a predictor calls it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nlpkit.models import files

if TYPE_CHECKING:
    from nlpkit.hardware.devices import Device

R = TypeVar("R")


class Placed:
    """A model on a device: here one that ONNX Runtime runs, in the arithmetic of its file.

    Args:
        model: is moved to the device, in evaluation mode.
        device: where.
    """

    def __init__(self, model: Any, device: Device) -> None:
        self.model, self._device = model.to(device.name).eval(), device

    @property
    def device(self) -> Device:
        """Where the model is, and in which arithmetic."""
        return self._device

    @property
    def bytes(self) -> int:
        """Of the weights, with the graph that they stand in."""
        path: Path = self.model.path
        found = [file for graph in files.graphs(path) for file in graph.parent.glob(f"{graph.name}*")]
        return sum(file.stat().st_size for file in found)

    def call(self, function: Callable[[], R]) -> R:
        """What a function gives that calls the model."""
        return function()
