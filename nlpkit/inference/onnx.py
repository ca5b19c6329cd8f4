"""A model that runs in ONNX Runtime, called as tasks call a transformers model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from transformers.utils import ModelOutput

from nlpkit.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

PARAMETERS = "nlpkit.parameters"  # key of the file's metadata
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def require_runtime() -> Any:
    """The package onnxruntime.

    Raises:
        UserError: it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(
            f"exported models run in ONNX Runtime, which is not installed: {error}", "pip install 'nlpkit[onnx]'"
        ) from None
    return onnxruntime


class OnnxModel:
    """An exported model: tensors in, a mapping of tensors out.

    The session is opened at the first call, with as many threads as torch has then. It is called as a model of
    transformers is; what it lacks, as its weights are no tensors here, says so when it is asked for.

    Args:
        path: of the ONNX file.
        config: the model's transformers config.

    Raises:
        UserError: onnxruntime is not installed, or the file cannot be read.
    """

    def __init__(self, path: Path, config: PreTrainedConfig) -> None:
        self.runtime = require_runtime()
        self.path, self.config = path, config
        self.place = "cpu"
        self._session: Any = None

    def to(self, device: str) -> Self:
        """Run on this device from now on.

        Raises:
            UserError: the installed ONNX Runtime does not run there.
        """
        if PROVIDERS.get(device) not in self.runtime.get_available_providers():
            needed = "Install onnxruntime-gpu, or use --device cpu." if device == "cuda" else "Use --device cpu."
            raise UserError(f"the ONNX Runtime that is installed does not run on {device}", needed)
        if device != self.place:
            self.place, self._session = device, None
        return self

    def close(self) -> None:
        """Free the session, and the memory that it keeps for calls to come; the next call opens another."""
        self._session = None

    def eval(self) -> Self:
        """As of a torch model; nothing changes."""
        return self

    def num_parameters(self) -> int:
        """Parameters of the model that was exported."""
        return int(self.session.get_modelmeta().custom_metadata_map.get(PARAMETERS, 0))

    @property
    def session(self) -> Any:
        """The onnxruntime.InferenceSession."""
        if self._session is None:
            options = self.runtime.SessionOptions()
            options.intra_op_num_threads = torch.get_num_threads()
            options.log_severity_level = 3  # errors
            providers = dict.fromkeys([PROVIDERS[self.place], PROVIDERS["cpu"]])
            try:
                self._session = self.runtime.InferenceSession(str(self.path), options, providers=list(providers))
            except Exception as error:
                said = str(error).strip().splitlines()[0]
                raise UserError(
                    f"{self.path} cannot be opened: {said}", "The file is damaged, or ONNX Runtime is too old for it."
                ) from error
            self._inputs = [item.name for item in self._session.get_inputs()]
            self._outputs = [item.name for item in self._session.get_outputs()]
        return self._session

    @property
    def inputs(self) -> list[str]:
        """What the graph reads."""
        return [item.name for item in self.session.get_inputs()]

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return torch.device(self.place)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        from nlpkit import models

        folder = next((place for place in self.path.parents if (place / models.CONFIG).is_file()), self.path.parent)
        raise AttributeError(
            f"{self.path} runs in ONNX Runtime: it answers, but has no `{name}`, and its weights cannot be changed; "
            f"open {models.made_from(folder)} for that"
        )

    def __call__(self, **inputs: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """Run the model.

        Args:
            inputs: by name, shape (batch, length); those that the graph does not read are left out.

        Raises:
            UserError: the graph reads one that is not given.
        """
        session = self.session
        if missing := [name for name in self._inputs if name not in inputs]:
            raise UserError(f"{self.path} reads {', '.join(missing)}, which is not among what it is given")
        found = session.run(None, {name: inputs[name].cpu().numpy() for name in self._inputs})
        named = zip(self._outputs, found, strict=True)
        return ModelOutput({name: torch.from_numpy(array).to(self.place) for name, array in named})
