"""The files beside a model that say what its vectors are made of, as sentence-transformers and others read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nlpkit.runs.files import write_json
from nlpkit.tasks.sentence_embedding.folder.names import CUT, LIMITS, MODULES, OWN, POOLING, POOLINGS, SETTINGS, WEIGHTS
from nlpkit.tasks.sentence_embedding.vectors import Vectors


def write(vectors: Vectors, folder: Path, hidden: int) -> None:
    """Write what sentence-transformers 5 and 6, text-embeddings-inference and others read, beside a model.

    Modules have the types that all releases know. The pooling has its switches, which the older and the servers
    read, and its name, where it is one; that of several is a list, at which the older would stop. A cut is a Dense
    module of ones and zeros: sentence-transformers' own `truncate_dim` would cut what is normalized already.

    Args:
        vectors: what they are made of.
        folder: of the model.
        hidden: width of its states.

    Raises:
        UserError: more dimensions are to be kept than there are.
    """
    if vectors.table:  # its other files are those of `StaticModel.save_pretrained`
        write_json(folder / SETTINGS, _settings(vectors))
        return
    whole, kept = hidden * len(vectors.pooling), vectors.width(hidden)
    kinds = ["Transformer", "Pooling"]
    kinds += [CUT] if kept < whole else []
    kinds += ["Normalize"] if vectors.normalize else []
    paths = ["", *(f"{i}_{kind}" for i, kind in enumerate(kinds[1:], start=1))]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"{OWN}models.{kind}"}
        for i, (kind, path) in enumerate(zip(kinds, paths, strict=True))
    ]
    pooling: dict[str, Any] = {"include_prompt": vectors.include_prompt}
    names = [theirs for theirs, _ in map(POOLINGS.__getitem__, vectors.pooling)]
    if list(vectors.pooling) == [way for way in POOLINGS if way in vectors.pooling]:
        switches = {switch: way in vectors.pooling for way, (_, switch) in POOLINGS.items()}
        pooling = {"word_embedding_dimension": hidden, **switches, **pooling}
        pooling |= {"pooling_mode": names[0]} if len(names) == 1 else {}
    else:  # Switches say nothing of another order: who knows them alone is to stop, not to give other vectors.
        pooling |= {"embedding_dimension": hidden, "pooling_mode": names}
    (folder / POOLING).parent.mkdir(exist_ok=True)
    write_json(folder / POOLING, pooling)
    if kept < whole:
        from safetensors.numpy import save_file

        place = folder / paths[2]
        place.mkdir(exist_ok=True)
        shape = {"in_features": whole, "out_features": kept, "bias": False}
        write_json(place / "config.json", {**shape, "activation_function": "torch.nn.modules.linear.Identity"})
        save_file({"linear.weight": np.eye(kept, whole, dtype=np.float32)}, place / WEIGHTS)
    write_json(folder / LIMITS, {"max_seq_length": vectors.max_length, "do_lower_case": vectors.lower_case})
    write_json(folder / SETTINGS, _settings(vectors))
    write_json(folder / MODULES, modules)


def _settings(vectors: Vectors) -> dict[str, Any]:
    """The document of config_sentence_transformers.json."""
    return {
        "model_type": "SentenceTransformer",
        "prompts": dict(vectors.prompts),
        "default_prompt_name": vectors.default_prompt,
        "similarity_fn_name": vectors.similarity,
    }
