"""A model that runs in ONNX Runtime, called as tasks call a transformers model.

On the CPU it takes arrays too, and gives arrays then: for that it needs neither torch nor transformers.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from nlpkit import reporting
from nlpkit.errors import RunError, UserError, first_line
from nlpkit.hardware import memory
from nlpkit.hardware.providers import PROVIDERS, how_to_install, obstacle, require_runtime
from nlpkit.models import files
from nlpkit.models.onnx_cache import CacheLayout, of_encoder

if TYPE_CHECKING:
    import torch
    from transformers import EncoderDecoderCache, PreTrainedConfig

    from nlpkit.hardware.devices import Device
    from nlpkit.models.bare_config import BareConfig
    from nlpkit.models.onnx_cache import Cache
    from nlpkit.options import DeviceOptions

# operators of dynamic int8, by name as it stands in a file
BY_BATCH = (b"DynamicQuantizeLinear", b"DynamicQuantizeMatMul")
PARAMETERS = "nlpkit.parameters"  # key of the file's metadata
RUNTIME = "ONNX Runtime"  # in the description of a device
# operators that hold nearly all of the arithmetic of a transformer
PRODUCTS = frozenset(
    ("MatMul", "Gemm", "FusedMatMul", "GemmFloat8", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul")
) | frozenset(("QLinearMatMul", "QGemm", "MatMulNBits", "Attention", "QAttention", "MultiHeadAttention"))
# of a run: what follows waits for it on the device, the CPU does not
NO_WAIT = "disable_synchronize_execution_providers"
RECORD_PLACES = "session.record_ep_graph_assignment_info"  # ONNX Runtime 1.24; older ones take it and do nothing


def placed(model: Any, device: Device, options: DeviceOptions | None = None) -> Device:
    """The device that a model runs on: the one that was chosen, as it is for a torch model. Where ONNX Runtime does not
    run there, or not with all products of the graph, and no device was named, it is the CPU, which is said.

    Args:
        model: of transformers, or an `OnnxModel`, which is moved.
        device: that was chosen for `options`.
        options: None: the device was named.

    Raises:
        UserError: ONNX Runtime does not run on the device that was named.
    """
    if not isinstance(model, OnnxModel):
        return device
    auto = options if options is not None and options.device == "auto" else None
    if auto is not None and (lacking := obstacle(device.name.partition(":")[0])):
        device = on_cpu(auto, f"{lacking.message} ({lacking.hint})")
    left = model.to(device.name).left_to_cpu
    if left and auto is not None:
        device = on_cpu(auto, left)
        model.to(device.name)
    elif left:
        reporting.current().warn(f"{left}; --device cpu runs all of it there")
    return device_of(model, device)


def device_of(model: Any, device: Device) -> Device:
    """The device as records name it: of an ONNX model with what runs it, whose arithmetic is that of its file."""
    if not isinstance(model, OnnxModel) or RUNTIME in device.described:
        return device
    tf32 = device.precision == "tf32"
    described = f"{device.described.rpartition(',')[0]}, {RUNTIME}{' in TF32' if tf32 else ''}"
    return replace(device, precision="tf32" if tf32 else "fp32", described=described)


def on_cpu(options: DeviceOptions, why: str) -> Device:
    """The CPU, for an ONNX model where `--device auto` has found a GPU; it is said why."""
    from nlpkit.hardware import devices

    reporting.current().warn(f"--device auto: the CPU runs the ONNX model, not the GPU: {why}")
    return devices.choose(options.model_copy(update={"device": "cpu", "precision": "auto"}))


class OnnxModel:
    """An exported model: tensors in, a mapping of tensors out; on the CPU also arrays in, a mapping of arrays out.

    The session is opened at the first call. It is called as a model of transformers is; what it lacks, as its weights
    are no tensors here, says so when it is asked for.

    Args:
        path: of the ONNX file.
        config: the model's transformers config, or what is known of it without transformers.
        threads: that a call on the CPU takes; None: as many as torch has when the session is opened.
        gives_back: whether the memory of a call is given back at its end, as a service lives long and one long text
            would keep its memory (428 MB instead of 165 of MiniLM in int8). A call takes up to 3 % longer.

    Raises:
        UserError: onnxruntime is not installed, or the file cannot be read.
    """

    def __init__(
        self, path: Path, config: PreTrainedConfig | BareConfig, threads: int | None = None, *, gives_back: bool = False
    ) -> None:
        self.runtime = require_runtime()
        self.path, self.config, self.threads, self.gives_back = path, config, threads, gives_back
        self.place = "cpu"  # where it runs, as torch names it
        self._session: Any = None
        self._layout: CacheLayout | None = None
        self._stream: Any = None  # of a CUDA device

    def to(self, device: str | torch.device) -> Self:
        """Run on this device from now on.

        Raises:
            UserError: the installed ONNX Runtime does not run there.
        """
        place = str(device)
        if (lacking := obstacle(place.partition(":")[0])) is not None:
            raise UserError(*lacking)
        if place != self.place:
            self.close()
            self.place = place
        return self

    @property
    def kind(self) -> str:
        """Of the device that it runs on: cpu, cuda."""
        return self.place.partition(":")[0]

    @property
    def cores(self) -> int:
        """Threads that a call on the CPU takes."""
        return self.threads or _threads_of_torch()

    @property
    def device(self) -> torch.device:
        """Where it runs, for torch."""
        import torch

        return torch.device(self.place)

    def compute_with(self, threads: int) -> None:
        """Let a call on the CPU take so many threads from now on."""
        if threads != self.cores:
            self.close()
            self.threads = threads

    def close(self) -> None:
        """Free the session, and the memory that it keeps for calls to come; the next call opens another."""
        self._session = self._stream = None

    def eval(self) -> Self:
        """As of a torch model; nothing changes."""
        return self

    @functools.cached_property
    def scales_by_batch(self) -> bool:
        """Whether activations are rounded by one scale for a whole batch, as in dynamic int8: what the graph gives for
        a row hangs on the rows beside it then."""
        graph = self.path.read_bytes()
        return any(kind in graph for kind in BY_BATCH)

    def num_parameters(self) -> int:
        """Parameters of the model that was exported."""
        return int(self.session.get_modelmeta().custom_metadata_map.get(PARAMETERS, 0))

    @property
    def session(self) -> Any:
        """The onnxruntime.InferenceSession, open on the device.

        Raises:
            UserError: the file cannot be read, or ONNX Runtime has left the device for the CPU.
            RunError: it does not fit into memory.
        """
        if self._session is None:
            options = self.runtime.SessionOptions()
            options.intra_op_num_threads = self.cores
            options.enable_cpu_mem_arena = options.enable_mem_pattern = not self.gives_back
            options.log_severity_level = 3  # errors
            if self.kind != "cpu":
                options.add_session_config_entry(RECORD_PLACES, "1")
            try:
                # it would go on with the CPU, and print that
                session = self.runtime.InferenceSession(
                    str(self.path), options, providers=self._providers(), enable_fallback=0
                )
            except Exception as error:
                if memory.is_exhausted(error):
                    raise RunError(f"{self.path}: out of memory while it was opened: {first_line(error)}") from error
                raise UserError(
                    f"{self.path} cannot be opened: {first_line(error)}",
                    "The file is damaged, or ONNX Runtime is too old for it.",
                ) from error
            if session.get_providers()[0] != PROVIDERS[self.kind]:
                raise UserError(
                    f"{self.path}: ONNX Runtime runs it with {session.get_providers()[0]}, not on {self.place}",
                    how_to_install(),
                )
            self._session = session
            self._inputs = [item.name for item in self._session.get_inputs()]
            self._outputs = [item.name for item in self._session.get_outputs()]
            self._layout = CacheLayout.of(self._session)
        return self._session

    def _providers(self) -> list[Any]:
        """Of the device, and of the CPU for what the former has no operators for."""
        plain = PROVIDERS["cpu"]
        if self.kind == "cpu":
            return [plain]
        import torch

        # one of its own that torch knows, so that either waits for the other on the device
        self._stream = torch.cuda.Stream(self.device)
        own = {
            "device_id": str(_number(self.device)),
            "user_compute_stream": str(self._stream.cuda_stream),
            # as torch has it: left alone, products of float32 are rounded to TF32
            "use_tf32": str(int(torch.backends.cuda.matmul.fp32_precision == "tf32")),
        }
        return [(PROVIDERS[self.kind], own), plain]

    @property
    def left_to_cpu(self) -> str:
        """Which matrix products a GPU's provider leaves to the CPU, in words; nothing where it takes them all, and with
        an ONNX Runtime before 1.24, which does not tell."""
        if self.kind == "cpu" or not hasattr(self.session, "get_provider_graph_assignment_info"):
            return ""
        places = [
            (part.ep_name, node.op_type)
            for part in self.session.get_provider_graph_assignment_info()
            for node in part.get_nodes()
            if node.op_type in PRODUCTS
        ]
        left = [kind for provider, kind in places if provider == PROVIDERS["cpu"]]
        if not left:
            return ""
        return (
            f"{len(left)} of the {len(places)} matrix products of {self.path} run on the CPU, as ONNX Runtime has no "
            f"{', '.join(sorted(set(left)))} of that kind for {self.kind}"
        )

    @property
    def inputs(self) -> list[str]:
        """What the graph reads."""
        return [item.name for item in self.session.get_inputs()]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(
            f"{self.path} runs in ONNX Runtime: it answers, but has no `{name}`, and its weights cannot be changed; "
            f"open {files.made_from(self.folder)} for that"
        )

    @property
    def outputs(self) -> list[str]:
        """What the graph gives."""
        return [item.name for item in self.session.get_outputs()]

    @property
    def folder(self) -> Path:
        """The model's folder, which has its config."""
        return next((place for place in self.path.parents if (place / files.CONFIG).is_file()), self.path.parent)

    @property
    def remembers(self) -> bool:
        """Whether the graph reads and gives a cache, so that a text is written without reading all of it again."""
        return self.layout is not None

    @property
    def layout(self) -> CacheLayout | None:
        """Its cache; None where the graph has none."""
        self.session  # noqa: B018 (opens it)
        return self._layout

    @functools.cached_property
    def generation_config(self) -> Any:
        """How the model's folder says that it writes; None where it does not."""
        from transformers import GenerationConfig

        folder = self.folder
        return GenerationConfig.from_pretrained(folder) if (folder / files.GENERATION).is_file() else None

    def fed(self, inputs: Mapping[str, Any], cache: Cache | None = None, kept: int = 0) -> dict[str, Any]:
        """All that the graph reads, with what a model of transformers fills in; see `CacheLayout.inputs`.

        Raises:
            UserError: the graph reads something else that is not given.
        """
        layout = self.layout
        known = inputs if layout is None else layout.inputs(inputs, cache, kept)
        if missing := [name for name in self._inputs if name not in known]:
            raise UserError(f"{self.path} reads {', '.join(missing)}, which is not among what it is given")
        return {name: known[name] for name in self._inputs}

    def __call__(
        self,
        *,
        only: Sequence[str] = (),
        past_key_values: Cache | None = None,
        use_cache: bool = True,
        logits_to_keep: int = 0,
        **inputs: torch.Tensor | np.ndarray,
    ) -> Mapping[str, Any]:
        """Run the model.

        Args:
            only: the outputs that are wanted; others are neither computed nor copied. None named: all.
            past_key_values: of a model that writes: the cache of the tokens before, to which that of these is added.
            use_cache: whether the cache is wanted, of a model that has one.
            logits_to_keep: of such a model: places at the end whose logits are wanted; 0: all.
            inputs: by name, shape (batch, length); those that the graph does not read are left out.

        Returns:
            The outputs by name, as tensors on the device, or as arrays where the inputs are; the parts of a cache
            together, as `past_key_values`.

        Raises:
            UserError: the graph reads one that is not given.
        """
        given = self.fed(inputs, past_key_values, logits_to_keep)
        layout = self._layout
        names = list(only) or self._outputs
        if layout is not None and not use_cache:
            names = [name for name in names if name not in layout.present]
        if self.kind == "cpu" and all(isinstance(value, np.ndarray) for value in given.values()):
            return dict(zip(names, self.session.run(names, given), strict=True))
        from transformers.utils import ModelOutput

        made = dict(zip(names, self._run(given, names), strict=True))
        if layout is not None and use_cache and not only:
            cache = layout.taken(made, past_key_values)
            made = {name: tensor for name, tensor in made.items() if name not in layout.present}
            return ModelOutput(made, past_key_values=cache)
        return ModelOutput(made)

    def _run(self, given: Mapping[str, torch.Tensor], names: Sequence[str]) -> list[torch.Tensor]:
        """The outputs that are named, on the device."""
        import torch

        if self._stream is None:
            # on the CPU nothing is copied either way, and the call is 0.1 ms shorter
            arrays = self.session.run(names, {name: tensor.cpu().numpy() for name, tensor in given.items()})
            return [torch.from_numpy(array) for array in arrays]
        current = torch.cuda.current_stream(self.device)
        there = {name: tensor.to(self.device).contiguous() for name, tensor in given.items()}
        self._stream.wait_stream(current)
        tensors = bound(self.session, there, names, self.device)
        current.wait_stream(self._stream)
        return tensors


def _threads_of_torch() -> int:
    import torch

    return torch.get_num_threads()


class OnnxEncoderDecoder(OnnxModel):
    """An exported model whose encoder and decoder are graphs of their own: the encoder gives the keys and values by
    which the decoder attends to a text, which are computed once.

    Args:
        path: of the decoder's file, beside which that of the encoder lies.
        config: the model's transformers config.

    Raises:
        UserError: onnxruntime is not installed, or a file cannot be read.
    """

    def __init__(self, path: Path, config: PreTrainedConfig | BareConfig, threads: int | None = None) -> None:
        super().__init__(path, config, threads)
        self.encoder = OnnxModel(files.graphs(path)[0], config, threads)

    def to(self, device: str | torch.device) -> Self:
        self.encoder.to(device)
        return super().to(device)

    def close(self) -> None:
        self.encoder.close()
        super().close()

    @property
    def left_to_cpu(self) -> str:
        return self.encoder.left_to_cpu or super().left_to_cpu

    def read(self, ids: torch.Tensor, mask: torch.Tensor) -> EncoderDecoderCache:
        """What the decoder is to remember of texts.

        Args:
            ids, mask: of their tokens, shape (rows, tokens).
        """
        return of_encoder(list(self.encoder(input_ids=ids, attention_mask=mask).values()))

    def prepare_decoder_input_ids_from_labels(self, labels: torch.Tensor) -> torch.Tensor:
        """What the decoder is given where the tokens to be written are known, as its class in transformers has it."""
        import transformers

        (architecture,) = self.config.architectures or [""]
        kind = getattr(transformers, architecture)
        known = kind.__new__(kind)  # without weights: it reads its config alone
        known.__dict__["config"] = self.config
        made: torch.Tensor = known.prepare_decoder_input_ids_from_labels(labels=labels)
        return made

    def __call__(self, *, past_key_values: Cache | None = None, **inputs: Any) -> Mapping[str, Any]:
        """As that of `OnnxModel`.

        Args:
            past_key_values: as `read` or a call before gave it; None: the encoder reads `input_ids`.
            inputs: `attention_mask` of what the encoder reads, and `decoder_input_ids`.
        """
        if past_key_values is None:
            past_key_values = self.read(inputs["input_ids"], inputs["attention_mask"])
        return super().__call__(past_key_values=past_key_values, **inputs)


def opened(path: Path, config: PreTrainedConfig) -> OnnxModel:
    """The model of an exported folder.

    Args:
        path: see `files.exported_file`.
        config: the model's transformers config.

    Raises:
        UserError: onnxruntime is not installed.
    """
    kind = OnnxEncoderDecoder if path.name.startswith(files.DECODER) else OnnxModel
    return kind(path, config)


def _number(device: torch.device) -> int:
    """Of a device among those of its kind; "cuda" is torch's current one, of which each process has its own."""
    import torch

    if device.type != "cuda" or device.index is not None:
        return device.index or 0
    return torch.cuda.current_device()


def bound(
    session: Any, inputs: Mapping[str, torch.Tensor], outputs: Sequence[str], device: torch.device
) -> list[torch.Tensor]:
    """Run a session on tensors where they are: inputs are not copied, and neither are outputs, which may be large and
    of which a task keeps little. On a GPU the call returns before they are there: what is to read them waits for the
    stream of the session.

    Args:
        session: of ONNX Runtime.
        inputs: by name, on the device, contiguous.
        outputs: names.
        device: that the session runs on.

    Returns:
        Tensors over memory of ONNX Runtime, which takes it back when they are gone.
    """
    import torch

    binding = session.io_binding()
    where = (device.type, _number(device))
    # a tensor without numbers has no address, and ONNX Runtime wants one
    placed_at = {name: tensor if tensor.numel() else tensor.new_empty(1) for name, tensor in inputs.items()}
    for name, tensor in inputs.items():
        kind = np.dtype(str(tensor.dtype).removeprefix("torch."))
        binding.bind_input(name, *where, kind, tuple(tensor.shape), placed_at[name].data_ptr())
    for name in outputs:
        binding.bind_output(name, *where)
    options = require_runtime().RunOptions()
    options.add_run_config_entry(NO_WAIT, "1")
    session.run_with_iobinding(binding, options)
    values = binding.get_outputs_as_ortvaluevector()
    return [torch.utils.dlpack.from_dlpack(values[i].to_dlpack()) for i in range(len(values))]
