"""What one vector of a text is made of: read from the files of sentence-transformers, computed, written again.

A folder of sentence-transformers lists modules (modules.json): a transformer, what pools its states into one
(1_Pooling/config.json), and what scales it to length 1 (2_Normalize). How many tokens are read stands in
sentence_bert_config.json, prompts in config_sentence_transformers.json. sentence-transformers itself is not imported:
that takes seconds, and a folder is read and written by its files.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from nlpkit.errors import UserError
from nlpkit.models.files import CONFIG, STATIC
from nlpkit.runs.files import small_text, write_json

if TYPE_CHECKING:
    import torch

MODULES = "modules.json"
POOLING = "1_Pooling/config.json"
SETTINGS = "config_sentence_transformers.json"
LIMITS = "sentence_bert_config.json"
# Releases of before 2020 named the file after the architecture.
OLD_LIMITS = tuple(
    f"sentence_{kind}_config.json" for kind in ("roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
DAMAGED = "The file is damaged; copy it again."

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
PROMPTS = {
    "query": ("query", "search_query", "retrieval.query"),
    "document": ("document", "passage", "corpus", "search_document", "retrieval.passage"),
}
"""What the prompt of a query, and of a document, is called."""
SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan")
ORDER = ("Transformer", "StaticEmbedding", "Pooling", "Dense", "Normalize")
"""The modules that are computed here, in the order in which they are."""
OWN = "sentence_transformers."  # begins the type of a module that is no code from the model's author
CUT = "Dense"  # the module that can cut vectors
STATIC_MODULE = "StaticEmbedding"
WEIGHTS = "model.safetensors"
NO_LIMIT = 2**31 - 1  # a limit above it is none: tokenizers write 10**30 where they know of none
SHOWN = 60  # letters of a prompt that one line shows
IDLE = ("Dropout",)  # modules that change nothing but in training
TRAINED_LAYER = "a trained layer on top of the pooled vector"
WITHOUT = {
    "Dense": TRAINED_LAYER,
    "LayerNorm": "a trained normalization of the pooled vector",
    "WordWeights": "a weight for each word",
    "WeightedLayerPooling": "trained weights of the layers",
    "CNN": "convolutions over the tokens",
    "LSTM": "a recurrent network over the tokens",
    "WordEmbeddings": "a table of word vectors instead of a transformer",
    "BoW": "counts of words instead of a transformer",
    "CLIPModel": "a model of pictures",
    "Router": "several models, of which the text's kind picks one",
    "Asym": "several models, of which the text's kind picks one",
}
"""Modules that are refused, as they are not computed here, and what they add."""


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """What a vector is made of.

    Args:
        pooling: how the states of a text's tokens become one, see `POOLINGS`; those of several are joined.
        layers: of how many of the last layers the states are averaged. Default: the last alone, as in
            sentence-transformers.
        normalize: whether vectors are scaled to length 1.
        include_prompt: whether the tokens of a prompt are pooled too.
        prompts: texts that are put before a text, by name.
        default_prompt: the name of the one that is used; None: none.
        asymmetric: whether the first text of a row begins with the prompt of a query, and those that are compared with
            it with the prompt of a document; False: all begin with the one that is used.
        dims: how many numbers are kept, the first (Matryoshka); None: all.
        similarity: how two vectors are compared, one of `SIMILARITIES`.
        max_length: tokens of a text that are read, with those of its prompt; None: what the tokenizer or the model
            says.
        table: whether the states are rows of a table of token vectors, without a transformer (`models.static`).
        lower_case: whether texts are in lower case before the tokenizer sees them.
        source: the file that says all this; empty where no file does.
        guessed: why the pooling is a guess; empty where it was read.
    """

    pooling: tuple[str, ...] = ("mean",)
    layers: int = 1
    normalize: bool = True
    include_prompt: bool = True
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    asymmetric: bool = False
    dims: int | None = None
    similarity: str = "cosine"
    max_length: int | None = None
    table: bool = False
    lower_case: bool = False
    source: str = ""
    guessed: str = ""

    # --- where it is read ---

    @classmethod
    def read(cls, place: str | Path, revision: str | None = None) -> Self:
        """Read what vectors of a model are, of a folder, or of a hub name: then these small files alone are fetched.

        Where no file says how states are pooled, it is the mean, and vectors have length 1: `guessed` says why.

        Args:
            place: folder or hub name; empty: nothing is known of it.
            revision: of a hub model.

        Raises:
            UserError: the model has a part that is not computed here, or a file is damaged.
        """
        name = str(place)
        if not name:
            return cls(guessed="the model names no folder in which this is written")
        path = _in_folder(Path(name)) if Path(name).is_dir() else _on_hub(name, revision)

        def document(file: str) -> Any:
            place = path(file)
            return None if place is None else _parsed(place, place if Path(name).is_dir() else f"{name}: {file}")

        try:
            listed = _modules(document(MODULES), name)
        except _Unreachable as error:
            return cls(guessed=f"{name} could not be asked ({error})")
        settings = _object(document(SETTINGS), f"{name}: {SETTINGS}")
        config = _object(document(CONFIG), f"{name}: {CONFIG}") if listed is None else {}
        if config.get("model_type") == STATIC or STATIC_MODULE in (listed or {}):
            # a table has no file on pooling: it is the mean; model2vec itself reads its config.json
            length_one = config.get("normalize") is True if listed is None else "Normalize" in listed
            prompts, default = _prompts(settings, name), _default_prompt(settings, name)
            source = str(Path(name) / (CONFIG if listed is None else MODULES))
            return cls(normalize=length_one, table=True, prompts=prompts, default_prompt=default, source=source)
        modules = {"Pooling": POOLING.partition("/")[0], "Normalize": ""} if listed is None else listed
        root = modules.get("Transformer", "")
        file = f"{modules.get('Pooling', '')}/config.json"
        pooling_file = Path(name) / file if Path(name).is_dir() else f"{name}: {file}"
        pooling = _object(document(file) if "Pooling" in modules else None, pooling_file)
        names = (LIMITS, *(OLD_LIMITS if listed is not None else ()))
        told = (_object(document(f"{root}/{one}" if root else one), f"{name}: {one}") for one in names)
        limits: Mapping[str, Any] = next(filter(None, told), {})
        length = _whole(limits, "max_seq_length", f"{name}: {LIMITS}")
        return cls(
            pooling=_pooling(pooling, pooling_file),
            normalize="Normalize" in modules,
            include_prompt=_switch(pooling, "include_prompt", pooling_file, default=True),
            prompts=_prompts(settings, name),
            default_prompt=_default_prompt(settings, name),
            dims=_kept(path, document, modules[CUT], name)
            if CUT in modules
            else _whole(settings, "truncate_dim", f"{name}: {SETTINGS}"),
            similarity=_similarity(settings, name),
            max_length=None if length is None or length > NO_LIMIT else length,
            lower_case=_switch(limits, "do_lower_case", f"{name}: {LIMITS}", default=False),
            source=str(pooling_file) if pooling else "",
            guessed="" if pooling else f"{name} has no {file}, which would say how",
        )

    @classmethod
    def recorded(cls, record: Mapping[str, Any], source: str = "") -> Self:
        """As `record` wrote it into the task of a nlpkit.json; older ones have `normalize` alone."""
        return cls(
            pooling=tuple(record.get("pooling", ("mean",))),
            layers=record.get("layers", 1),
            normalize=record["normalize"],
            include_prompt=record.get("include_prompt", True),
            prompts=dict(record.get("prompts", {})),
            default_prompt=record.get("default_prompt"),
            asymmetric=record.get("asymmetric", False),
            dims=record.get("dims"),
            similarity=record.get("similarity", "cosine"),
            max_length=record.get("max_length"),
            table=record.get("table", False),
            lower_case=record.get("lower_case", False),
            source=source,
        )

    def record(self) -> dict[str, Any]:
        """JSON values that `recorded` restores this from, but for the limit, which a task keeps for itself."""
        return {
            "pooling": list(self.pooling),
            "layers": self.layers,
            "normalize": self.normalize,
            "include_prompt": self.include_prompt,
            "prompts": dict(self.prompts),
            "default_prompt": self.default_prompt,
            "asymmetric": self.asymmetric,
            "dims": self.dims,
            "similarity": self.similarity,
            "table": self.table,
            "lower_case": self.lower_case,
        }

    # --- where it is written ---

    def write(self, folder: Path, hidden: int) -> None:
        """Write what sentence-transformers 5 and 6, text-embeddings-inference and others read, beside a model.

        Modules have the types that all releases know. The pooling has its switches, which the older and the servers
        read, and its name, where it is one; that of several is a list, at which the older would stop. A cut is a Dense
        module of ones and zeros: sentence-transformers' own `truncate_dim` would cut what is normalized already.

        Args:
            folder: of the model.
            hidden: width of its states.

        Raises:
            UserError: more dimensions are to be kept than there are.
        """
        if self.table:  # its other files are those of `StaticModel.save_pretrained`
            write_json(folder / SETTINGS, self._settings())
            return
        whole, kept = hidden * len(self.pooling), self.width(hidden)
        kinds = ["Transformer", "Pooling"]
        kinds += [CUT] if kept < whole else []
        kinds += ["Normalize"] if self.normalize else []
        paths = ["", *(f"{i}_{kind}" for i, kind in enumerate(kinds[1:], start=1))]
        modules = [
            {"idx": i, "name": str(i), "path": path, "type": f"{OWN}models.{kind}"}
            for i, (kind, path) in enumerate(zip(kinds, paths, strict=True))
        ]
        pooling: dict[str, Any] = {"include_prompt": self.include_prompt}
        names = [theirs for theirs, _ in map(POOLINGS.__getitem__, self.pooling)]
        if list(self.pooling) == [way for way in POOLINGS if way in self.pooling]:
            switches = {switch: way in self.pooling for way, (_, switch) in POOLINGS.items()}
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
        write_json(folder / LIMITS, {"max_seq_length": self.max_length, "do_lower_case": self.lower_case})
        write_json(folder / SETTINGS, self._settings())
        write_json(folder / MODULES, modules)

    def _settings(self) -> dict[str, Any]:
        """The document of config_sentence_transformers.json."""
        return {
            "model_type": "SentenceTransformer",
            "prompts": dict(self.prompts),
            "default_prompt_name": self.default_prompt,
            "similarity_fn_name": self.similarity,
        }

    # --- what it says ---

    def with_(self, **changes: Any) -> Self:
        """The same with other settings."""
        return replace(self, **changes)

    def alike(self, other: Vectors) -> bool:
        """Whether the same is computed of a model's states; prompts and the limit come before the model."""
        names = ("pooling", "layers", "normalize", "include_prompt", "dims", "table")
        return all(getattr(self, name) == getattr(other, name) for name in names)

    def with_prompt(self, name: str | None = None, text: str | None = None) -> Self:
        """The same with the prompt of this name before each text, or with this text, which needs no name.

        Raises:
            UserError: there is no prompt of this name.
        """
        if text is not None:
            name = name or "prompt"
            # also where it is empty: then no text has one, be it a query or a document
            return self.with_(prompts={**self.prompts, name: text}, default_prompt=name, asymmetric=False)
        if name is not None and name not in self.prompts:
            known = ", ".join(self.prompts)
            raise UserError(
                f"there is no prompt '{name}'",
                f"The model has: {known}." if known else "The model has none; --prompt takes its text.",
            )
        return self.with_(default_prompt=name, asymmetric=False)

    def with_side_prompts(self, query: str | None, document: str | None) -> Self:
        """The same with a prompt before each query and each document; None keeps the model's own."""
        given = {"query": query, "document": document}
        prompts = {**self.prompts, **{name: text for name, text in given.items() if text is not None}}
        return self.with_(prompts=prompts, default_prompt=None, asymmetric=True)

    @property
    def prompt(self) -> str:
        """The text before each text; empty: none."""
        return self.prompts.get(self.default_prompt or "", "")

    @property
    def needs_prompt_tokens(self) -> bool:
        """Whether pooling has to know which tokens are those of the prompt, if there is one."""
        return not self.include_prompt

    def prompt_of(self, part: str) -> str:
        """The text before each text of one part of a search; empty: none.

        Args:
            part: "query" or "document", whose prompts have several names in the models in wide use. A prompt that was
                chosen for all texts is that of both.
        """
        if self.default_prompt is not None:
            return self.prompt
        return next((self.prompts[name] for name in PROMPTS[part] if name in self.prompts), "")

    def described(self) -> str:
        """In one line, with where it was read, for plans."""
        ways = " and ".join(way.replace("_", " ") for way in self.pooling)
        states = " of a table of token vectors" if self.table else ""
        parts = [f"{ways} pooling{states}" + (f" of the last {self.layers} layers" if self.layers > 1 else "")]
        parts += [f"first {self.dims} dimensions"] if self.dims else []
        parts += ["length 1" if self.normalize else "not normalized"]
        parts += [f"prompt {_shown(self.prompt)}"] if self.prompt else []
        if self.asymmetric:
            query, document = (_shown(self.prompt_of(part)) for part in ("query", "document"))
            parts += [f"prompt of queries {query} and of documents {document}"]
        origin = f"a guess: {self.guessed}" if self.guessed else f"from {self.source}" if self.source else ""
        return ", ".join(parts) + (f" ({origin})" if origin else "")

    def width(self, hidden: int) -> int:
        """Numbers of a vector.

        Args:
            hidden: width of the model's states.

        Raises:
            UserError: fewer than are to be kept.
        """
        whole = hidden * len(self.pooling)
        if self.dims is not None and self.dims > whole:
            raise UserError(
                f"vectors are to keep {self.dims} dimensions, and the model's have {whole}", f"At most {whole}."
            )
        return self.dims or whole

    # --- the arithmetic ---

    def pool(
        self,
        states: torch.Tensor | Sequence[torch.Tensor],
        mask: torch.Tensor,
        prompt_tokens: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The vectors of texts: pooled, cut, and of length 1 where they are to be.

        It is traced into exported graphs as it stands: no shape and no branch depends on a number in a tensor.

        Args:
            states: of the last layer, shape (rows, tokens, width), or of each layer, where those of several are
                averaged.
            mask: 1 where a token stands, 0 where padding does, shape (rows, tokens).
            prompt_tokens: how many tokens at the beginning of each text are the prompt's, shape (rows,); they are left
                out of the pooling unless the prompt is included.

        Returns:
            float32, shape (rows, `width`).

        Raises:
            UserError: the model has fewer layers than are averaged.
        """
        import torch

        if isinstance(states, torch.Tensor):
            last = states.float()
        elif len(states) < self.layers:
            raise UserError(
                f"vectors are to average the last {self.layers} layers, and the model has {len(states) - 1}",
                "Ask for fewer.",
            )
        else:
            last = torch.stack([layer.float() for layer in states[-self.layers :]]).mean(0)
        kept = mask
        if prompt_tokens is not None and not self.include_prompt:
            places = torch.arange(mask.shape[1], device=mask.device)
            kept = mask * (places >= (_first(mask) + prompt_tokens).unsqueeze(1)).to(mask.dtype)
        pooled = [_pooled(way, last, kept, mask) for way in self.pooling]
        vectors = pooled[0] if len(pooled) == 1 else torch.cat(pooled, -1)
        if self.dims is not None:
            vectors = vectors[:, : self.dims]
        return torch.nn.functional.normalize(vectors, dim=-1) if self.normalize else vectors


def _shown(prompt: str) -> str:
    """The beginning of a prompt, quoted."""
    return f"{prompt[:SHOWN]!r}" + (f" ... ({len(prompt):,} letters)" if len(prompt) > SHOWN else "")


def _first(mask: torch.Tensor) -> torch.Tensor:
    """Where the first token of each row stands, shape (rows,), as padding may go to the left."""
    import torch

    return mask.to(torch.int32).argmax(1)


def _pooled(way: str, states: torch.Tensor, kept: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """One vector of each row, by one of `POOLINGS`.

    Args:
        states: shape (rows, tokens, width).
        kept: 1 for each token that is pooled, shape (rows, tokens).
        mask: the same with those of the prompt.
    """
    import torch

    if way in ("cls", "last_token"):
        # The last place with a token is the first of the mirrored row.
        place = _first(kept) if way == "cls" else kept.shape[1] - 1 - _first(kept.flip(1))
        return states.gather(1, place.view(-1, 1, 1).expand(-1, 1, states.shape[-1])).squeeze(1)
    weights = kept.unsqueeze(-1).to(states.dtype)
    if way == "max":
        return states.masked_fill(weights == 0, -torch.inf).amax(1)
    if way == "weighted_mean":  # a token counts as much as its place in the text, from 1 (SGPT, arXiv 2202.08904)
        places = torch.arange(1, kept.shape[1] + 1, device=kept.device) - _first(mask).unsqueeze(1)
        weights = weights * places.unsqueeze(-1).to(states.dtype)
    entries = weights.sum(1).clamp(min=1)
    return (states * weights).sum(1) / (entries.sqrt() if way == "mean_sqrt_len" else entries)


# --- the files ---


class _Unreachable(Exception):
    """The hub cannot be asked for a file, in words that end a message."""


def _in_folder(folder: Path) -> Callable[[str], Path | None]:
    """Where a file of a folder is, by its name; None where there is none.

    Raises:
        UserError: when called for what has the name of a file and is none: a link to nothing, as a cache keeps one
            whose content was removed, would else be taken for a file that the model does not have.
    """

    def path(name: str) -> Path | None:
        place = folder / name
        try:
            if not place.is_file() and (place.is_symlink() or place.exists()):
                raise UserError(f"{place} is no file that can be read", DAMAGED)
            return place if place.is_file() else None
        except OSError as error:  # such as a name that is too long
            raise UserError(f"{_cut(str(place))} cannot be opened: {error.strerror}", DAMAGED) from None

    return path


def _on_hub(model: str, revision: str | None) -> Callable[[str], Path | None]:
    """Where the copy of a file of a model on the hub is, by its name; None where the model has none.

    Raises:
        _Unreachable: when called for a file that is not in the cache, and the hub cannot be asked for it.
    """
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    from nlpkit.models import opening

    def path(name: str) -> Path | None:
        cached = huggingface_hub.try_to_load_from_cache(model, name, revision=revision)
        if isinstance(cached, str):
            return Path(cached)
        if cached is not None:
            return None  # The hub has said before that there is no such file.
        if opening.offline():
            raise _Unreachable(f"{name} is not in the cache, and the network is not to be used")
        try:
            return Path(huggingface_hub.hf_hub_download(model, name, revision=revision))
        except LocalEntryNotFoundError:
            raise _Unreachable(f"{name} is not in the cache, and the hub does not answer") from None
        except EntryNotFoundError:
            return None
        except OSError as error:  # of HTTP too: no such repository, no leave to read it, no answer
            raise _Unreachable(str(error).strip().splitlines()[0] if str(error).strip() else name) from None

    return path


def _kept(path: Callable[[str], Path | None], document: Callable[[str], Any], folder: str, name: str) -> int:
    """How many numbers of a vector a Dense module keeps that does no more than to cut it, as `Vectors.write` makes one.

    Args:
        path, document: give a file of the model, and what it holds.
        folder: of the module.

    Raises:
        UserError: it does more, or its weights are damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    config = _object(document(f"{folder}/config.json"), f"{name}: {folder}/config.json")
    weights = path(f"{folder}/{WEIGHTS}")
    try:
        tensors = load_file(weights) if weights is not None else {}
    except (SafetensorError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{weights} cannot be read: {error}", DAMAGED) from None
    table = tensors.pop("linear.weight", np.zeros((1, 1)))
    # sentence-transformers applies tanh where no function is named, and another input than the pooled vector if asked
    plain = str(config.get("activation_function", "Tanh")).endswith(".Identity")
    plain = plain and config.get("module_input_name", "sentence_embedding") == "sentence_embedding"
    if not plain or tensors or table.ndim != 2 or not np.array_equal(table, np.eye(*table.shape)):
        raise _refused(f"{name}: {MODULES}", CUT)
    return len(table)


def _refused(where: object, module: str) -> UserError:
    adds = f" ({WITHOUT[module]})" if module in WITHOUT else ""
    return UserError(
        f"{where} lists the module {module}{adds}, which nlpkit does not compute",
        "Without it vectors would be others than those that the model was trained to give; use sentence-transformers "
        "for this model, or a model of Transformer, Pooling and Normalize.",
    )


def _parsed(path: Path, where: object) -> Any:
    try:
        return json.loads(small_text(path))
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else error
        raise UserError(f"{where} is not JSON: {reason}", DAMAGED) from None


def _object(document: Any, where: object) -> Mapping[str, Any]:
    """A JSON object; an empty one where there is no file.

    Raises:
        UserError: it is something else.
    """
    if document is not None and not isinstance(document, dict):
        raise UserError(f"{where} holds no JSON object", DAMAGED)
    return document or {}


def _modules(document: Any, name: str) -> dict[str, str] | None:
    """The folder of each module of a modules.json, by its kind; None where there is no such file.

    Raises:
        UserError: one of them is not computed here.
    """
    if document is None:
        return None
    where = Path(name) / MODULES if Path(name).is_dir() else f"{name}: {MODULES}"
    if not isinstance(document, list) or not all(isinstance(module, dict) for module in document):
        raise UserError(f"{where} holds no list of modules", DAMAGED)
    found: dict[str, str] = {}
    for module in document:
        kind, path = str(module.get("type", "")), module.get("path", "")
        short = kind.rpartition(".")[2]
        if not kind.startswith(OWN):
            raise UserError(
                f"{where} lists the module {kind}, which is code of the model's author",
                "nlpkit does not run it, and its vectors would be others; use sentence-transformers for this model.",
            )
        if short in IDLE:
            continue
        if short not in ORDER or short in found:
            raise _refused(where, short)
        if not isinstance(path, str) or not _below(path):
            raise UserError(
                f"{where}: the path {_cut(path)} of the module {short} is no folder inside the model's",
                "nlpkit reads nothing outside the folder of a model; put the right path in.",
            )
        if path.strip("./") == "" and short not in (ORDER[0], STATIC_MODULE, "Normalize"):
            raise UserError(f"{where} names no folder for the module {short}", DAMAGED)
        found[short] = path
    if ORDER[0] not in found and STATIC_MODULE not in found:
        raise UserError(f"{where} lists no {ORDER[0]}", DAMAGED)
    if list(found) != sorted(found, key=ORDER.index):
        raise UserError(
            f"{where} has the modules in the order {', '.join(found)}",
            f"nlpkit computes them in the order {', '.join(sorted(found, key=ORDER.index))} alone, which would give "
            "other vectors; use sentence-transformers for this model.",
        )
    return found


def _below(path: str) -> bool:
    """Whether a path, as a model's file writes it, stays in the model's folder."""
    parts = path.replace("\\", "/").split("/")
    return not path.startswith(("/", "\\")) and ".." not in parts and ":" not in path and "\0" not in path


def _cut(value: object) -> str:
    """A value of someone else's file, as short as a message needs it."""
    shown = repr(value)
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."


def _pooling(document: Mapping[str, Any], where: object) -> tuple[str, ...]:
    """The ways of a 1_Pooling/config.json, of any release; the mean where it names none.

    Raises:
        UserError: a way that there is not, or all are switched off.
    """
    named = document.get("pooling_mode")
    if named is None:
        on = tuple(way for way, (_, switch) in POOLINGS.items() if _switch(document, switch, where, default=False))
        if not on and document.get(POOLINGS["mean"][1]) is False:
            raise UserError(f"{where} switches every way of pooling off", DAMAGED)
        return on or ("mean",)
    ours = {theirs: way for way, (theirs, _) in POOLINGS.items()}
    ways = [named] if isinstance(named, str) else named
    if not isinstance(ways, list) or not ways or not all(isinstance(way, str) for way in ways):
        raise UserError(f"{where}: pooling_mode {_cut(named)} names no way of pooling", DAMAGED)
    if unknown := [way for way in ways if way not in ours]:
        raise UserError(
            f"{where} asks for the pooling {_cut(unknown[0])}, which there is not here",
            f"There are: {', '.join(ours)}.",
        )
    return tuple(ours[way] for way in ways)


def _prompts(settings: Mapping[str, Any], name: str) -> dict[str, str]:
    prompts = settings.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(text, str | None) for text in prompts.values()):
        raise UserError(f"{name}: {SETTINGS}: prompts {_cut(prompts)} are no texts by name", DAMAGED)
    return {str(key): text for key, text in prompts.items() if text is not None}


def _default_prompt(settings: Mapping[str, Any], name: str) -> str | None:
    default = settings.get("default_prompt_name")
    if default is None:
        return None
    if not isinstance(default, str) or default not in _prompts(settings, name):
        raise UserError(f"{name}: {SETTINGS}: default_prompt_name {_cut(default)} is none of its prompts", DAMAGED)
    return default


def _similarity(settings: Mapping[str, Any], name: str) -> str:
    found = settings.get("similarity_fn_name") or "cosine"
    if isinstance(found, str):
        found = {"dot_product": "dot", "dot_score": "dot", "cos_sim": "cosine"}.get(found, found)
    if found not in SIMILARITIES:
        raise UserError(
            f"{name}: {SETTINGS} compares vectors by {_cut(found)}, which needs several vectors a text or is unknown",
            f"nlpkit compares by {', '.join(SIMILARITIES)}; use sentence-transformers for this model.",
        )
    return str(found)


def _whole(document: Mapping[str, Any], key: str, where: object) -> int | None:
    """A number of tokens or dimensions; None where none is given.

    Raises:
        UserError: it is no whole number above 0: what is read of a text, or kept of a vector, would be a guess.
    """
    value = document.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise UserError(f"{where}: {key} {_cut(value)} is no whole number above 0", DAMAGED)
    return value


def _switch(document: Mapping[str, Any], key: str, where: object, *, default: bool) -> bool:
    """What is on or off.

    Raises:
        UserError: it is neither: the text "false" would be taken for on.
    """
    value = document.get(key)
    if value is not None and not isinstance(value, bool):
        raise UserError(f"{where}: {key} {_cut(value)} is neither true nor false", DAMAGED)
    return default if value is None else value
