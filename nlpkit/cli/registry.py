"""The subcommands: name, recipe module, one line of help, panel.

`nlpkit --help` is drawn from this table alone, so that no recipe is imported for it.
"""

from __future__ import annotations

from typing import NamedTuple


class CommandEntry(NamedTuple):
    """Where a subcommand lives and what is said of it.

    Attributes:
        module: its recipe.
        help: what it does, in at most `manual.HELP` characters, so that the list of commands fits a screen.
        panel: heading of the list under which it stands.
    """

    module: str
    help: str
    panel: str


COMMANDS: dict[str, CommandEntry] = {
    "check-data": CommandEntry("nlpkit.recipes.check_data", "Find what is wrong with data before training.", "Data"),
    "augment": CommandEntry("nlpkit.recipes.augment", "Make changed copies of the rows to train on.", "Data"),
    "recipes": CommandEntry("nlpkit.recipes.recipes", "List the experiments that ship, for --config.", "Data"),
    "train-tokenizer": CommandEntry(
        "nlpkit.recipes.train_tokenizer", "Train a tokenizer on running text, or extend one.", "Train"
    ),
    "train-vectors": CommandEntry(
        "nlpkit.recipes.train_vectors", "Learn vectors of words (word2vec, fastText).", "Train"
    ),
    "pretrain-mlm": CommandEntry("nlpkit.recipes.pretrain_mlm", "Pre-train an encoder on running text.", "Train"),
    "pretrain-clm": CommandEntry(
        "nlpkit.recipes.pretrain_clm", "Pre-train a model that writes on running text.", "Train"
    ),
    "finetune-cls": CommandEntry(
        "nlpkit.recipes.finetune_cls", "Fine-tune a model to classify or score texts.", "Train"
    ),
    "finetune-ner": CommandEntry(
        "nlpkit.recipes.finetune_ner", "Fine-tune a model to tag words: entities, phrases.", "Train"
    ),
    "finetune-qa": CommandEntry("nlpkit.recipes.finetune_qa", "Fine-tune a model to find answers in a text.", "Train"),
    "finetune-embed": CommandEntry(
        "nlpkit.recipes.finetune_embed", "Fine-tune a model that turns texts into vectors.", "Train"
    ),
    "finetune-seq2seq": CommandEntry(
        "nlpkit.recipes.finetune_seq2seq", "Train a model to translate, summarize, answer.", "Train"
    ),
    "distill": CommandEntry("nlpkit.recipes.distill", "Teach a small model what a large one knows.", "Compress"),
    "prune": CommandEntry("nlpkit.recipes.prune", "Make a model smaller, or sparse.", "Compress"),
    "quantize": CommandEntry(
        "nlpkit.recipes.quantize",
        "Store a model in fewer bits: int8, ONNX, torch.",
        "Compress",
    ),
    "compress": CommandEntry("nlpkit.recipes.compress", "Find the best model within your limits.", "Compress"),
    "tune": CommandEntry("nlpkit.recipes.tune", "Search the options of a command that trains.", "Train"),
    "tokenize": CommandEntry("nlpkit.recipes.tokenize", "Show how tokenizers cut texts, side by side.", "Data"),
    "predict": CommandEntry("nlpkit.recipes.predict", "Answer for texts or files with a trained model.", "Use"),
    "zero-shot": CommandEntry("nlpkit.recipes.zero_shot", "Sort texts into your own labels, without training.", "Use"),
    "embed": CommandEntry("nlpkit.recipes.embed", "Turn texts into vectors with any encoder.", "Use"),
    "cluster": CommandEntry("nlpkit.recipes.cluster", "Find groups in texts, or texts that say the same.", "Use"),
    "index": CommandEntry("nlpkit.recipes.index", "Make documents searchable by meaning and by words.", "Use"),
    "search": CommandEntry("nlpkit.recipes.search", "Find what answers a question in an index.", "Use"),
    "topics": CommandEntry("nlpkit.recipes.topics", "Find topics in texts, over time, for new texts too.", "Use"),
    "serve": CommandEntry("nlpkit.recipes.serve", "Answer over HTTP with trained models.", "Use"),
    "probe": CommandEntry("nlpkit.recipes.probe", "Find out what each layer of a model knows.", "Use"),
    "evaluate": CommandEntry("nlpkit.recipes.evaluate", "Measure a trained model on labelled data.", "Use"),
    "benchmark": CommandEntry("nlpkit.recipes.benchmark", "Compare models in speed, memory and quality.", "Use"),
    "loadtest": CommandEntry("nlpkit.recipes.loadtest", "Find how many requests a second a service holds.", "Use"),
    "explain": CommandEntry("nlpkit.recipes.explain", "Tell which words an answer hangs on.", "Use"),
    "env": CommandEntry("nlpkit.recipes.env", "Show machine and versions, as for a bug report.", "Use"),
    "learn": CommandEntry("nlpkit.recipes.learn", "Show the pieces of a Transformer on your model.", "Use"),
    "runs": CommandEntry("nlpkit.recipes.runs", "List run folders: task, data, figures, size, status.", "Runs"),
    "compare": CommandEntry("nlpkit.recipes.compare", "Compare runs on the same rows, with a test.", "Runs"),
    "report": CommandEntry("nlpkit.recipes.report", "Write one web page about a run.", "Runs"),
}
