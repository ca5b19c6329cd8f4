"""What the files, the modules and their keys are called."""

from __future__ import annotations

from collections.abc import Mapping

MODULES = "modules.json"
POOLING = "1_Pooling/config.json"
SETTINGS = "config_sentence_transformers.json"
LIMITS = "sentence_bert_config.json"
# Releases of before 2020 named the file after the architecture.
OLD_LIMITS = tuple(
    f"sentence_{kind}_config.json" for kind in ("roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)

# Name here -> the name in 1_Pooling/config.json, and its switch in the files that releases before 5.4 wrote. Where
# several are on, their vectors stand one behind the other in this order.
POOLINGS: Mapping[str, tuple[str, str]] = {
    "cls": ("cls", "pooling_mode_cls_token"),
    "max": ("max", "pooling_mode_max_tokens"),
    "mean": ("mean", "pooling_mode_mean_tokens"),
    "mean_sqrt_len": ("mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens"),
    "weighted_mean": ("weightedmean", "pooling_mode_weightedmean_tokens"),
    "last_token": ("lasttoken", "pooling_mode_lasttoken"),
}
ORDER = ("Transformer", "StaticEmbedding", "Pooling", "Dense", "Normalize")
"""The modules that are computed here, in the order in which they are."""
OWN = "sentence_transformers."  # begins the type of a module that is no code from the model's author
CUT = "Dense"  # the module that can cut vectors
STATIC_MODULE = "StaticEmbedding"
WEIGHTS = "model.safetensors"
