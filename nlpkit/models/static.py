"""Static embedders: a table with a vector for each token, whose mean is the vector of a text; no layers.

The folder is that of model2vec (https://github.com/MinishLab/model2vec), which sentence-transformers opens too, as its
`StaticEmbedding`: `embeddings` in model.safetensors, the model type in config.json, and a tokenizer.json that adds no
special tokens. Here such a model is called as an encoder of transformers is: its states are rows of the table.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.modeling_outputs import BaseModelOutput

from nlpkit.errors import UserError
from nlpkit.models.files import STATIC
from nlpkit.runs.files import write_json

WEIGHTS = "model.safetensors"
TABLE = "embeddings"  # the tensor of model2vec; those of sentence-transformers call it otherwise:
TABLES = (TABLE, "embedding.weight")
# What model2vec knows besides: one row for several tokens, and a factor for each token.
MAPPING, FACTORS = "mapping", "weights"


class StaticConfig(PreTrainedConfig):
    """The config.json of model2vec.

    Args:
        vocab_size: rows of the table.
        hidden_dim: numbers in a vector.
        normalize: whether a text's vector is scaled to length 1.
    """

    model_type = STATIC
    attribute_map: ClassVar[dict[str, str]] = {"hidden_size": "hidden_dim"}

    def __init__(self, vocab_size: int = 0, hidden_dim: int = 0, normalize: bool = True, **others: Any) -> None:
        self.vocab_size, self.hidden_dim, self.normalize = vocab_size, hidden_dim, normalize
        self.num_hidden_layers = 0
        super().__init__(**{"architectures": ["StaticModel"], **others})


class StaticModel(PreTrainedModel):
    """A table of token vectors, called as an encoder is.

    Args:
        config: with the shape of the table.
    """

    config_class = StaticConfig
    base_model_prefix = ""
    main_input_name = "input_ids"

    def __init__(self, config: StaticConfig) -> None:
        super().__init__(config)
        self.embedding: nn.Module = nn.Embedding(config.vocab_size, config.hidden_dim)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.embedding

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.embedding = value

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **_: Any) -> BaseModelOutput:
        """The table's rows for token ids of shape (rows, tokens), as `last_hidden_state`; tokens do not see one
        another, so that the mask is read by whoever pools them."""
        return BaseModelOutput(last_hidden_state=self.embedding(input_ids))

    def save_pretrained(self, save_directory: str | os.PathLike[str], *arguments: Any, **keywords: Any) -> None:
        """As model2vec writes it; checkpoints (`save_original_format=False`) keep the names that weights have here."""
        if keywords.get("save_original_format") is False:
            super().save_pretrained(save_directory, *arguments, **keywords)
            return
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        table = self.state_dict()["embedding.weight"].detach().cpu().float().contiguous()
        self.config.vocab_size, self.config.hidden_dim = table.shape
        self.config.architectures = ["StaticModel"]
        self.config.save_pretrained(folder)
        save_file({TABLE: table}, folder / WEIGHTS)
        kinds = [("", "StaticEmbedding"), *([("1_Normalize", "Normalize")] if self.config.normalize else [])]
        write_json(
            folder / "modules.json",
            [
                {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
                for i, (path, kind) in enumerate(kinds)
            ],
        )


def open_config(name: str, document: dict[str, Any]) -> StaticConfig:
    """The config of a folder of model2vec.

    Args:
        name: of the folder, for messages.
        document: its config.json, in which the shape of the table may be missing: it is read off the weights then.
    """
    known = {key: value for key, value in document.items() if key != "model_type"}
    config = StaticConfig(**known)
    config.name_or_path = name
    if not (config.vocab_size and config.hidden_dim):
        config.vocab_size, config.hidden_dim = _table(name).shape
    return config


def open_model(name: str, config: StaticConfig) -> StaticModel:
    """The model of a folder of model2vec, or of the `StaticEmbedding` of sentence-transformers.

    Raises:
        UserError: its weights are no table.
    """
    table = _table(name)
    config.vocab_size, config.hidden_dim = table.shape
    model = StaticModel(config)
    model.embedding.load_state_dict({"weight": table})
    return model


def _table(name: str) -> torch.Tensor:
    """A row for each token, as float32: what several tokens share is written out, and factors are multiplied in.

    Raises:
        UserError: there is no such table.
    """
    path = Path(name) / WEIGHTS
    if not path.is_file():
        raise UserError(f"{name} has no {WEIGHTS}", "Copy the folder again.")
    damaged = "The file is damaged; copy it again."
    try:
        with safe_open(path, "pt") as file:
            kept = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is no mapping)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} cannot be read: {error}", damaged) from None
    found = next((kept[key] for key in TABLES if key in kept), None)
    if found is None or found.dim() != 2:
        raise UserError(f"{path} holds no table of token vectors ({TABLE})", damaged)
    table = found.float()
    if MAPPING in kept:
        rows = kept[MAPPING].long()
        if rows.dim() != 1 or (len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < len(table)):
            raise UserError(f"{path}: {MAPPING} names rows that the table of {len(table):,} does not have", damaged)
        table = table[rows]
    if FACTORS in kept:
        if kept[FACTORS].shape != (len(table),):
            raise UserError(f"{path}: {FACTORS} are not one for each of the {len(table):,} tokens", damaged)
        table = table * kept[FACTORS].float()[:, None]
    if not table.isfinite().all():
        raise UserError(f"{path} holds numbers that are NaN or infinite", damaged)
    return table


def plain_tokenizer(tokenizer: Any) -> PreTrainedTokenizerFast:
    """A tokenizer that cuts texts as this one does, and adds no special tokens.

    Args:
        tokenizer: a fast one; it stays as it is.
    """
    from tokenizers import Tokenizer, processors

    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.post_processor = processors.Sequence([])
    backend.no_padding()
    backend.no_truncation()
    special = {name: str(token) for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, model_input_names=["input_ids", "attention_mask"], **special
    )
