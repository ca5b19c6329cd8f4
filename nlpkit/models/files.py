"""The files of a model folder: their names, and which of them hold an exported model."""

from __future__ import annotations

from pathlib import Path

from nlpkit.runs.folder import read_record

EXPORTED = "model.onnx"  # the file of a model that runs in ONNX Runtime
# where else it lies: where transformers.js and optimum look for it, by its precision
ONNX_FOLDER = "onnx"
ONNX_FILES = (EXPORTED, "model_quantized.onnx", "model_fp16.onnx")
# of a model whose encoder and decoder are graphs of their own, as optimum calls them
ENCODER, DECODER = "encoder_model", "decoder_model_merged"
DECODER_FILES = tuple(DECODER + name.removeprefix("model") for name in ONNX_FILES)
LINK = 100  # bytes that the target of a link has at most
CONFIG = "config.json"
GENERATION = "generation_config.json"  # how a model writes
STATIC = "model2vec"  # the model type of a table of token vectors, see `models.static`
STRUCTURE = "nlpkit_structure"  # in a config.json: what `nlpkit prune` left of each layer


def made_from(name: str | Path) -> str:
    """The model that another one was exported or quantized from, for messages."""
    parent = ((read_record(name) or {}).get("parents") or {}).get("model") or {}
    return parent.get("given") or "the model it was made from"


def exported_file(folder: str | Path) -> Path | None:
    """The ONNX file of a model that runs in ONNX Runtime, that of its decoder where it has several; None where there is
    none, or weights for torch lie beside it, as in many folders of the hub."""
    place = Path(folder)
    if any(place.glob("*.safetensors")):
        return None
    candidates = [place / EXPORTED, *(place / ONNX_FOLDER / name for name in (*ONNX_FILES, *DECODER_FILES))]
    file = next((file for file in candidates if file.is_file()), None)
    if file == candidates[0] and file.stat().st_size <= LINK:
        # git writes a link as a text, its target, where a disk has no links
        target = place / file.read_bytes().decode(errors="replace")
        return target if target in candidates[1:] and target.is_file() else file
    return file


def graphs(exported: Path) -> list[Path]:
    """The files of the graphs of a model, that of its encoder first where it is one of its own.

    Args:
        exported: see `exported_file`.
    """
    if not exported.name.startswith(DECODER):
        return [exported]
    return [exported.with_name(ENCODER + exported.name.removeprefix(DECODER)), exported]
