"""Random models of every architecture whose structure is known, small enough to be run in a millisecond."""

from __future__ import annotations

import copy
from typing import Any

from nlpkit.data.labels import Labels
from nlpkit.models.anatomy import anatomy
from nlpkit.tasks.text_classification.task import TextClassification

SHAPE = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}
SPECIAL: dict[str, dict[str, Any]] = {
    "distilbert": {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 48},
    "longformer": {"attention_window": 4},
    "albert": {"embedding_size": 16},
    "electra": {"embedding_size": 16},
}
HEADS = {
    "AutoModelForSequenceClassification": {"num_labels": 3},
    "AutoModelForTokenClassification": {"num_labels": 5},
    "AutoModelForQuestionAnswering": {},
    "AutoModelForMaskedLM": {},
}
VOCABULARY = 60


def tiny(model_type: str, auto_class: str = "AutoModelForSequenceClassification", **settings: Any) -> Any:
    """A random model; its weights are large and its biases not zero, so that each part matters to the output."""
    import torch
    import transformers

    torch.manual_seed(0)
    values = {**(SPECIAL[model_type] if model_type == "distilbert" else SHAPE), **SPECIAL.get(model_type, {})}
    values |= {"vocab_size": VOCABULARY, "max_position_embeddings": 40, "pad_token_id": 1}
    config = transformers.AutoConfig.for_model(model_type, **{**values, **HEADS[auto_class], **settings})
    model = getattr(transformers, auto_class).from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * (0.2 if parameter.dim() > 1 else 0.1))
    return model


def batch(rows: int = 3, length: int = 9) -> dict[str, Any]:
    """Ids of no special token, the last row with padding."""
    import torch

    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(3, VOCABULARY, (rows, length), generator=generator)
    mask = torch.ones_like(ids)
    ids[-1, length // 2 :] = 1
    mask[-1, length // 2 :] = 0
    return {"input_ids": ids, "attention_mask": mask}


def outputs(model: Any, **more: Any) -> Any:
    """The first tensor of a model's output for `batch`."""
    import torch

    with torch.no_grad():
        return model(**batch(**more))[0]


def masked_heads(model: Any, removed: dict[int, list[int]]) -> Any:
    """A copy in which what these heads give to the output projection is zero."""
    masked = copy.deepcopy(model)
    found = anatomy(masked)
    for layer, heads in removed.items():
        for head in heads:
            columns = slice(head * found.head_size, (head + 1) * found.head_size)
            found.layers[layer].attention_output.weight.data[:, columns] = 0
    return masked


def masked_neurons(model: Any, removed: dict[int, list[int]]) -> Any:
    masked = copy.deepcopy(model)
    for layer, neurons in removed.items():
        anatomy(masked).layers[layer].down.weight.data[:, neurons] = 0
    return masked


TASK = TextClassification(Labels("single-label", ["a", "b", "c"]))


def batches() -> list[dict[str, Any]]:
    """Two batches of different size."""
    import torch

    one = batch(rows=4) | {"labels": torch.tensor([0, 1, 2, 1])}
    return [one, batch(rows=2, length=5) | {"labels": torch.tensor([2, 0])}]
