"""The subcommands: name, recipe module, one line of help, panel.

`nlpkit --help` is drawn from this table alone, so that no recipe is imported for it.
"""

from __future__ import annotations

from typing import NamedTuple


class CommandEntry(NamedTuple):
    """Where a subcommand lives and what is said of it."""

    module: str
    help: str
    panel: str


COMMANDS: dict[str, CommandEntry] = {
    "check-data": CommandEntry(
        "nlpkit.recipes.check_data", "Find what is wrong with a data set before an hour of training is lost.", "Data"
    ),
    "recipes": CommandEntry(
        "nlpkit.recipes.recipes", "List the experiments that ship with nlpkit, for --config NAME.", "Data"
    ),
    "train-tokenizer": CommandEntry(
        "nlpkit.recipes.train_tokenizer", "Train a tokenizer on running text, or extend one.", "Train"
    ),
    "pretrain-mlm": CommandEntry(
        "nlpkit.recipes.pretrain_mlm", "Pre-train an encoder on running text, from scratch or further.", "Train"
    ),
    "finetune-cls": CommandEntry(
        "nlpkit.recipes.finetune_cls", "Fine-tune a model to classify or score texts and text pairs.", "Train"
    ),
    "finetune-ner": CommandEntry(
        "nlpkit.recipes.finetune_ner", "Fine-tune a model to tag words: entities, phrases, parts of speech.", "Train"
    ),
    "finetune-qa": CommandEntry(
        "nlpkit.recipes.finetune_qa", "Fine-tune a model to answer questions with a piece of a text.", "Train"
    ),
    "distill": CommandEntry(
        "nlpkit.recipes.distill", "Teach a small model what a large one knows, and show what that costs.", "Compress"
    ),
    "prune": CommandEntry(
        "nlpkit.recipes.prune", "Make a model sparse or smaller, and show what that costs.", "Compress"
    ),
    "quantize": CommandEntry(
        "nlpkit.recipes.quantize",
        "Store a model in fewer bits, for ONNX Runtime or torch, and show the cost.",
        "Compress",
    ),
    "tokenize": CommandEntry("nlpkit.recipes.tokenize", "Show how tokenizers cut texts, side by side.", "Data"),
    "predict": CommandEntry("nlpkit.recipes.predict", "Answer for texts or files with a trained model.", "Use"),
    "zero-shot": CommandEntry(
        "nlpkit.recipes.zero_shot", "Sort texts into labels that are named when asked, without training.", "Use"
    ),
    "embed": CommandEntry("nlpkit.recipes.embed", "Turn texts into vectors with any encoder.", "Use"),
    "evaluate": CommandEntry("nlpkit.recipes.evaluate", "Measure a trained model on labelled data.", "Use"),
    "benchmark": CommandEntry(
        "nlpkit.recipes.benchmark", "Measure models side by side: speed, memory, quality, and how they grow.", "Use"
    ),
    "runs": CommandEntry("nlpkit.recipes.runs", "List run folders: task, data, figures, size, age and status.", "Runs"),
    "report": CommandEntry(
        "nlpkit.recipes.report",
        "Write one web page about a run: figures, pictures, mistakes, origin.",
        "Runs",
    ),
    "env": CommandEntry(
        "nlpkit.recipes.env", "Show what a bug report or a paper needs: machine, versions, caches, network.", "Use"
    ),
}
