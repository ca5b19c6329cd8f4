"""What is known of an exported model's folder without transformers, which is none of what its answers need.

Transformers makes a tokenizer and a config of several files, by rules that differ from class to class. Where a model is
exported, what it made of them is written down (`write`): the facts that tasks ask for, beside checksums of the files
that they come from. Where these are still the same, and the rules do nothing but read tokenizer.json, the folder is
opened by ONNX Runtime and the tokenizers library alone, and answers as it does with transformers; else nobody guesses.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit.models import fitting, onnx, opening
from nlpkit.models.bare_config import BareConfig
from nlpkit.models.bare_tokenizer import BareTokenizer, TokenizerFacts
from nlpkit.models.files import CONFIG, DECODER, exported_file
from nlpkit.runs import records
from nlpkit.runs.files import write_json
from nlpkit.runs.records import Part

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

RUNTIME = "nlpkit_runtime.json"
VERSION = 1
TOKENIZER = "tokenizer.json"
# what transformers reads of a folder beside the weights, as far as its answers hang on it
READ = (CONFIG, TOKENIZER, "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
# with which a tokenizer of transformers answers; a class that has one of its own does more than read tokenizer.json
METHODS = ("__call__", "_encode_plus", "_decode", "get_vocab", "num_special_tokens_to_add", "convert_ids_to_tokens")
NUMBERS = ("hidden_size", "vocab_size", "type_vocab_size", "max_position_embeddings", "max_seq_len",
           "max_encoder_position_embeddings", "nlpkit_first_position")  # fmt: skip
TOKENS = ("bos", "eos", "sep", "cls", "mask", "unk", "pad")


class ConfigFacts(Part):
    """Of a model's config, with the defaults of its class; null where that has no such field."""

    architectures: list[str]
    """The classes of the model."""
    labels: list[str]
    """The names of its labels, in the order of its outputs."""
    problem_type: str | None
    """What transformers calls the problem of a text classifier."""
    model_type: str
    """Its architecture, as transformers calls it."""
    hidden_size: int | None
    """Width of its states."""
    vocab_size: int | None
    """Token ids that it knows."""
    type_vocab_size: int | None
    """Token types that it knows."""
    max_position_embeddings: int | None
    """Positions that it knows."""
    max_seq_len: int | None
    """The same, in some architectures."""
    max_encoder_position_embeddings: int | None
    """The same, in others."""
    nlpkit_first_position: int
    """The position of its first token."""


class Facts(Part):
    """What nlpkit_runtime.json holds."""

    schema_version: int
    """Of this file."""
    files: dict[str, str | None]
    """SHA-256 of each file that the facts come from; null where there is none."""
    config: ConfigFacts
    tokenizer: TokenizerFacts


@dataclass(frozen=True)
class Bare:
    """A folder that is opened without transformers.

    Attributes:
        folder: of the model.
        file: its graph.
        facts: of its config and its tokenizer.
    """

    folder: Path
    file: Path
    facts: Facts

    @property
    def config(self) -> BareConfig:
        """What is known of the model's config."""
        return _config(self.folder, self.facts.config)

    def tokenizer(self) -> BareTokenizer:
        """The tokenizer, as it is when it is opened by transformers."""
        return BareTokenizer.open(self.folder / TOKENIZER, self.facts.tokenizer)

    def model(self, config: BareConfig, threads: int) -> onnx.OnnxModel:
        """The model, which runs on the CPU.

        Args:
            threads: that a call takes.

        Raises:
            UserError: onnxruntime is not installed.
        """
        return onnx.OnnxModel(self.file, config, threads, gives_back=True)


def found(folder: Path) -> Bare | str:
    """What is known of a folder; or why it is not opened without transformers, as the end of "as ...".

    Raises:
        UserError: its nlpkit_runtime.json is damaged.
    """
    file = exported_file(folder)
    if file is None:
        return "it holds no graph for ONNX Runtime"
    if file.name.startswith(DECODER):
        return "it has an encoder and a decoder"
    path = folder / RUNTIME
    document = records.document_of(path)
    if not document:
        return f"it has no {RUNTIME}"
    if not isinstance(document, dict) or document.get("schema_version") != VERSION:
        return f"its {RUNTIME} is of another version"
    facts = Facts.model_validate(records.checked(Facts, document, path))
    if changed := [name for name, was in facts.files.items() if name in READ and _digest(folder / name) != was]:
        return f"its {changed[0]} was changed since it was exported"
    return Bare(folder, file, facts)


def write(folder: Path) -> str:
    """Write what is known of an exported folder, all of whose other files are there.

    Returns:
        Why nothing is written, as `found` words it; "" where something is.
    """
    config, tokenizer = opening.load_config(str(folder)), opening.load_tokenizer(str(folder), slow=True)
    if getattr(config, fitting.FIRST_POSITION, None) is None:
        return "its config.json does not tell where positions begin"
    if why := _more_than_read(folder, tokenizer):
        return why
    config_facts = _config_facts(config)
    if opening.takes(config) != opening.takes(_config(folder, config_facts)):
        return f"its limit does not follow from its {CONFIG} alone"
    facts = Facts(
        schema_version=VERSION,
        files={name: _digest(folder / name) for name in READ},
        config=config_facts,
        tokenizer=facts_of(tokenizer),
    )
    write_json(folder / RUNTIME, facts.model_dump())
    return ""


def facts_of(tokenizer: Any) -> TokenizerFacts:
    """What is written down of a tokenizer of transformers."""
    named = {kind: getattr(tokenizer, f"{kind}_token") for kind in TOKENS}
    return TokenizerFacts(
        tokens={kind: None if token is None else str(token) for kind, token in named.items()},
        ids={kind: getattr(tokenizer, f"{kind}_token_id") for kind in TOKENS},
        special_ids=list(tokenizer.all_special_ids),
        model_input_names=list(tokenizer.model_input_names),
        model_max_length=tokenizer.model_max_length,
        padding_side=tokenizer.padding_side,
        truncation_side=tokenizer.truncation_side,
        pad_token_type_id=tokenizer.pad_token_type_id,
        cleans_up=bool(tokenizer.clean_up_tokenization_spaces) and not _is_bpe(tokenizer),
    )


def _config_facts(config: PreTrainedConfig) -> ConfigFacts:
    found = {name: getattr(config, name, None) for name in NUMBERS}
    numbers: Any = {name: value if isinstance(value, int) else None for name, value in found.items()}
    return ConfigFacts(
        architectures=list(config.architectures or []),
        labels=opening.label_names(config),
        problem_type=config.problem_type,
        model_type=config.model_type,
        **numbers,
    )


def _config(folder: Path, facts: ConfigFacts) -> BareConfig:
    known = facts.model_dump(include=set(ConfigFacts.model_fields))
    return BareConfig(str(folder), id2label=dict(enumerate(known.pop("labels"))), **known)


def _more_than_read(folder: Path, tokenizer: Any) -> str:
    """Why a tokenizer of transformers does more than to read its tokenizer.json; "" where it does not."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    if not tokenizer.is_fast or not (folder / TOKENIZER).is_file():
        return "its tokenizer has no fast version"
    kind = type(tokenizer)
    own = [name for name in METHODS if getattr(kind, name, None) is not getattr(PreTrainedTokenizerFast, name)]
    if own or tokenizer.split_special_tokens:
        return f"its tokenizer, a {kind.__name__}, does more than its {TOKENIZER} says"
    made = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    if _told(made) == _told(Tokenizer.from_file(str(folder / TOKENIZER))):
        return ""
    return f"transformers makes another tokenizer of its {TOKENIZER}"


def _told(backend: Any) -> dict[str, Any]:
    """All that a tokenizer is, but how it cuts and pads; what it puts around pieces is nothing where it is empty."""
    told: dict[str, Any] = json.loads(backend.to_str())
    around = {name: told["model"].get(name) or None for name in ("continuing_subword_prefix", "end_of_word_suffix")}
    return {**told, "truncation": None, "padding": None, "model": {**told["model"], **around}}


def _is_bpe(tokenizer: Any) -> bool:
    """Whether its pieces hold their blanks, which transformers leaves as they are."""
    return type(tokenizer.backend_tokenizer.model).__name__ == "BPE"


def _digest(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
