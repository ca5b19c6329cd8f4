"""Options of which model is opened, and how."""

from __future__ import annotations

from nlpkit.options.declaring import Config, option

DEFAULT_MODEL = "minilm"


class OpeningOptions(Config):
    """How a model is opened."""

    model_revision: str | None = option(None, "Revision of a hub model.", panel="Model", metavar="REV")
    tokenizer: str | None = option(
        None, "Folder or hub name of the tokenizer.", panel="Model", metavar="PATH|NAME", shown_default="the model's"
    )
    allow_pickle: bool = option(False, "Load weights stored as pickle (they can run code).", panel="Model")
    trust_remote_code: bool = option(False, "Run model code that comes with the weights.", panel="Model")


class GivenModelOptions(OpeningOptions):
    """A trained model, which stands behind the command."""

    model: str = option(..., "Run folder, model folder or hub name.", panel="Input", metavar="MODEL", positional=True)


class ModelOptions(OpeningOptions):
    """Which model, and how it is opened."""

    model: str = option(
        DEFAULT_MODEL,
        "Folder or hub name of the model; `minilm` is all-MiniLM-L6-v2.",
        panel="Model",
        metavar="PATH|NAME",
    )
