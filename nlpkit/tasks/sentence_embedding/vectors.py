"""What one vector of a text is made of: how states are pooled, what is put before the text, how vectors are compared.

`pooling.py` has the arithmetic, `folder/` the files beside a model in which all this stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from nlpkit.options.problems import OptionError, Problem
from nlpkit.tasks import arrays

PROMPTS = {
    "query": ("query", "search_query", "retrieval.query"),
    "document": ("document", "passage", "corpus", "search_document", "retrieval.passage"),
}
"""What the prompt of a query, and of a document, is called."""
SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan")
SHOWN = 60  # letters of a prompt that one line shows


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """What a vector is made of.

    Args:
        pooling: how the states of a text's tokens become one, see `folder.names.POOLINGS`; those of several are joined.
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

    # --- what a run's record keeps ---

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
            OptionError: there is no prompt of this name.
        """
        if text is not None:
            name = name or "prompt"
            # also where it is empty: then no text has one, be it a query or a document
            return self.with_(prompts={**self.prompts, name: text}, default_prompt=name, asymmetric=False)
        if name is not None and name not in self.prompts:
            known = ", ".join(self.prompts)
            hint = f"The model has: {known}." if known else "The model has none; --prompt takes its text."
            raise OptionError([Problem("prompt_name", f"there is no prompt '{name}'", hint)])
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

    @property
    def side_names(self) -> list[str]:
        """The names of its prompts of queries, and of documents, that say something."""
        found = (next((name for name in names if name in self.prompts), "") for names in PROMPTS.values())
        return [name for name in found if self.prompts.get(name)]

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
            OptionError: fewer than are to be kept.
        """
        whole = hidden * len(self.pooling)
        if self.dims is not None and self.dims > whole:
            message = f"vectors are to keep {self.dims} dimensions, and the model's have {whole}"
            raise OptionError([Problem("dims", message, f"At most {whole}.")])
        return self.dims or whole

    # --- the arithmetic ---

    def pool(
        self,
        states: Any,
        mask: Any,
        prompt_tokens: Any = None,
    ) -> Any:
        """The vectors of texts: pooled, cut, and of length 1 where they are to be.

        Args:
            states: of the last layer, shape (rows, tokens, width), a tensor or an array, as all else then; or of each
                layer, where those of several are averaged.
            mask: 1 where a token stands, 0 where padding does, shape (rows, tokens).
            prompt_tokens: how many tokens at the beginning of each text are the prompt's, shape (rows,); they are left
                out of the pooling unless the prompt is included.

        Returns:
            float32, shape (rows, `width`).

        Raises:
            UserError: the model has fewer layers than are averaged, or fewer dimensions than are kept.
        """
        if isinstance(states, np.ndarray):
            return self._pooled_arrays(states, mask, prompt_tokens)
        import torch

        from nlpkit.tasks.sentence_embedding import pooling

        last = pooling.averaged(states, self.layers)
        leaves_out = prompt_tokens is not None and not self.include_prompt
        kept = pooling.without_prompt(mask, prompt_tokens) if leaves_out and prompt_tokens is not None else mask
        found = [pooling.pooled(way, last, kept, mask) for way in self.pooling]
        vectors = found[0] if len(found) == 1 else torch.cat(found, -1)
        if self.dims is not None:
            vectors = vectors[:, : self.width(last.shape[-1])]
        return torch.nn.functional.normalize(vectors, dim=-1) if self.normalize else vectors

    def _pooled_arrays(self, last: np.ndarray, mask: np.ndarray, prompt_tokens: np.ndarray | None) -> np.ndarray:
        from nlpkit.tasks.sentence_embedding import array_pooling

        leaves_out = prompt_tokens is not None and not self.include_prompt
        kept = array_pooling.without_prompt(mask, prompt_tokens) if leaves_out and prompt_tokens is not None else mask
        vectors = np.concatenate([array_pooling.pooled(way, last, kept, mask) for way in self.pooling], axis=-1)
        if self.dims is not None:
            vectors = vectors[:, : self.width(last.shape[-1])]
        made: np.ndarray = arrays.float32(arrays.normalized(vectors) if self.normalize else vectors)
        return made


def _shown(prompt: str) -> str:
    """The beginning of a prompt, quoted."""
    return f"{prompt[:SHOWN]!r}" + (f" ... ({len(prompt):,} letters)" if len(prompt) > SHOWN else "")
