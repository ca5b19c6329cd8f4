"""A model and the texts it is shown, read twice: with its own attention, and with that of the pieces in its place."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nlpkit import reporting
from nlpkit.data.typed import require_texts
from nlpkit.errors import RunError, UserError
from nlpkit.learn.pieces.attention import scaled_dot_product
from nlpkit.learn.pieces.multi_head import split_heads
from nlpkit.models import attention, fitting, opening

if TYPE_CHECKING:
    from nlpkit.learn.options import LearnOptions

SENTENCE = "The animal did not cross the street because it was too tired."
BATCH = (SENTENCE, "It slept.")
MPNET = "MPNetSelfAttention"
PIECES = "nlpkit_pieces"  # name of their attention in transformers
EQUAL = 1e-5  # largest difference of what is the same formula
MOST_TOKENS = 512  # of a text: there is a matrix of tokens x tokens for each head
NOT_READ = ("pooler",)  # weights above the layers, which nothing here looks at
RANDOM = {"layers": 2, "heads": 4, "width": 64, "inner": 128, "positions": 128}


@dataclass(frozen=True)
class Attended:
    """What the attention of a layer was given, and what the piece made of it.

    Attributes:
        query, key, value: shape (texts, heads, length, size), behind projections and rotation; of a model whose heads
            share keys and values, these once for each head.
        visible: broadcasts to (texts, heads, length, length); None: all is.
        bias: as `visible`; None: there is none.
        scale: of the scores.
        weights: shape (texts, heads, length, length).
    """

    query: Tensor
    key: Tensor
    value: Tensor
    visible: Tensor | None
    bias: Tensor | None
    scale: float
    weights: Tensor


@dataclass(frozen=True)
class Subject:
    """A model that has read some texts, in float64, so that a difference is one of formulas and not of rounding.

    Attributes:
        name: of the model.
        model: what reads, of an encoder and a decoder the encoder.
        inputs: `input_ids` and `attention_mask`, shape (texts, length).
        tokens: of each text, padding too.
        special: whether a token is none of the text, as [CLS], [SEP] and padding; shape (texts, length).
        layers: by the pieces.
        weights: by the model, of each layer.
        states: by the model: what goes into the first layer, then what each gives, shape (texts, length, width).
        by_pieces: the same with the attention of the pieces in the place of its own.
    """

    name: str
    model: Any
    inputs: dict[str, Tensor]
    tokens: list[list[str]]
    special: Tensor
    layers: list[Attended]
    weights: list[Tensor]
    states: list[Tensor]
    by_pieces: list[Tensor]

    @property
    def heads(self) -> int:
        """Of a layer."""
        return int(self.layers[0].query.shape[1])

    @property
    def there(self) -> Tensor:
        """Where a token stands and no padding, shape (texts, length)."""
        return self.inputs["attention_mask"].bool()

    def lengths(self) -> list[int]:
        """Tokens of each text."""
        return [int(count) for count in self.there.sum(dim=1)]

    def differences(self) -> list[tuple[float, float]]:
        """Of each layer how far the pieces are from the model where a token stands: weights, and states as a share of
        the largest."""
        found = []
        for layer, theirs, states, ours in zip(
            self.layers, self.weights, self.states[1:], self.by_pieces[1:], strict=True
        ):
            apart = (layer.weights - theirs).abs().amax(dim=(1, 3))[self.there].max()
            states_apart = (states - ours).abs().amax(dim=-1)[self.there].max() / states[self.there].abs().max()
            found.append((float(apart), float(states_apart)))
        return found

    def require_equal(self) -> None:
        """Stop where the pieces are no account of this model.

        Raises:
            UserError: the model gives what is no number.
            RunError: naming the layer.
        """
        for number, (weights, states) in enumerate(self.differences(), 1):
            if not math.isfinite(weights + states):
                raise UserError(
                    f"{self.name}, layer {number}: what the model gives is no number (NaN or infinite)",
                    "Its weights are damaged.",
                )
            if max(weights, states) > EQUAL:
                raise RunError(
                    f"{self.name}, layer {number}: its attention is not the formula of the paper: weights differ by up "
                    f"to {weights:.1e}, states by {states:.1e}",
                    "Architectures that cap or shift their scores are not read here.",
                )


def subject_of(options: LearnOptions, default: Sequence[str] = (SENTENCE,)) -> Subject:
    """Open the model and have it read the texts, by itself and by the pieces.

    Args:
        options: of the command.
        default: texts where none are given.

    Raises:
        UserError: the model cannot be opened or has no attention that can be replaced; a text is empty or too long.
        RunError: the pieces do not give what the model does.
    """
    texts = list(options.text) or list(default)
    name, model, tokenizer = opened(options, texts)
    return seen(name, model, tokens_of(tokenizer, texts, model, name))


def seen(name: str, model: Any, encoded: Mapping[str, Any]) -> Subject:
    """Have a model read texts, by itself and by the pieces.

    Args:
        name: of the model.
        model: in float64, without a head and without dropout.
        encoded: of `tokens_of`: texts padded on the right.

    Raises:
        UserError: its attention cannot be replaced.
        RunError: the pieces do not give what the model does.
    """
    inputs = {key: encoded[key] for key in ("input_ids", "attention_mask")}
    with torch.no_grad():
        own = model(**inputs, output_hidden_states=True)  # by the kernels that it runs with
        weights = _own_weights(model, name, inputs)
        with _replaced(model) as layers:
            replaced = model(**inputs, output_hidden_states=True)
    if not layers or not weights:
        raise UserError(
            f"{name}: attention of the architecture {model.config.model_type} cannot be read this way",
            "Architectures whose attention is a function that Transformers can replace are read: BERT, RoBERTa, "
            "DistilBERT, ELECTRA, ALBERT, MPNet, ModernBERT, GPT-2, Llama, Qwen, T5, BART and their like.",
        )
    subject = Subject(
        name=name,
        model=model,
        inputs=inputs,
        tokens=encoded["tokens"],
        special=encoded["special_tokens_mask"].bool() | ~inputs["attention_mask"].bool(),
        layers=layers,
        weights=weights,
        states=list(own.hidden_states),
        by_pieces=list(replaced.hidden_states),
    )
    subject.require_equal()
    return subject


def _own_weights(model: Any, name: str, inputs: Mapping[str, Tensor]) -> list[Tensor]:
    """The weights that a model itself computes, of each layer; empty where it does not give them.

    Each text is read by itself: of a query that sees nothing, as padding far behind a text does in a window, some
    architectures make no number in float64, and all that looks at it is none then.
    """
    ids, there = inputs["input_ids"], inputs["attention_mask"].bool()
    found: list[Tensor] = []
    with attention.eager(model, name):
        for row, length in enumerate(there.sum(dim=1).tolist()):
            alone = {key: value[row : row + 1, :length] for key, value in inputs.items()}
            given = model(**alone, output_attentions=True).attentions
            if not given or any(weights is None for weights in given):
                return []
            for number, weights in enumerate(given):
                if not row:
                    found.append(weights.new_zeros(len(ids), weights.shape[1], ids.shape[1], ids.shape[1]))
                found[number][row, :, :length, :length] = weights[0]
    return found


def tokens_of(tokenizer: Any, texts: Sequence[str], model: Any, name: str) -> dict[str, Any]:
    """Texts as a model is given them.

    Returns:
        `input_ids`, `attention_mask` and `special_tokens_mask`, tensors of shape (texts, length), and `tokens`, of each
        text as people read them.

    Raises:
        UserError: a text is empty, the name of a file, or too long.
    """
    require_texts(texts, 'Its text: nlpkit learn TOPIC --text "$(cat FILE)".')
    if not all(text.strip() for text in texts):
        raise UserError("--text: a text is empty", "Give one with words in it.")
    tokenizer.padding_side = "right"  # whichever a model is used with: its masks hide either
    encoded = tokenizer(list(texts), padding=True, return_tensors="pt", return_special_tokens_mask=True, verbose=False)
    ids = encoded["input_ids"]
    reads = opening.max_positions(model.config, tokenizer, model)
    most = min(reads or MOST_TOKENS, MOST_TOKENS)
    if ids.shape[1] > most:
        what = name if reads is not None and reads <= MOST_TOKENS else "learn"
        raise UserError(f"--text: a text has {ids.shape[1]:,} tokens, and {what} reads {most:,}", "Give a shorter one.")
    return {
        **{key: encoded[key] for key in ("input_ids", "attention_mask", "special_tokens_mask")},
        "tokens": [_words(tokenizer, row) for row in ids.tolist()],
    }


def opened(options: LearnOptions, texts: Sequence[str]) -> tuple[str, Any, Any]:
    """Name, model in float64 and tokenizer, of an encoder and a decoder the encoder; without a model a random BERT that
    knows the words of the texts.

    Raises:
        UserError: the model cannot be opened, or has no attention.
    """
    if options.model is None:
        model, tokenizer = random_model(texts, options.seed)
        reporting.current().note(
            f"no RUN: a BERT of {RANDOM['layers']} layers and {RANDOM['heads']} heads whose weights are drawn (seed "
            f"{options.seed}); each word is a token"
        )
        return "a random BERT", model, tokenizer
    name, model, tokenizer = opened_whole(options)
    if model.config.is_encoder_decoder:
        reporting.current().note(f"{name} reads with an encoder and writes with a decoder: the encoder is shown")
        model = model.get_encoder()
    return name, model, tokenizer


def opened_whole(options: LearnOptions) -> tuple[str, Any, Any]:
    """Name, model in float64 and tokenizer of the model that was named.

    Raises:
        UserError: it cannot be opened, or has no attention.
    """
    name = str(options.model)
    model, new = opening.load_model(
        opening.resolve(name, "RUN"),
        "AutoModel",
        revision=options.model_revision,
        trust_remote_code=options.trust_remote_code,
        allow_pickle=options.allow_pickle,
    )
    attention.require(model, name)
    if drawn := [weight for weight in new if not weight.split(".")[0].startswith(NOT_READ)]:
        raise UserError(f"{name} has no weights for {drawn[0]}", "The folder is damaged; copy it again.")
    tokenizer = opening.load_tokenizer(
        opening.resolve(options.tokenizer or name, "--tokenizer"),
        revision=None if options.tokenizer else options.model_revision,
        trust_remote_code=options.trust_remote_code,
    )
    fitting.fit(model, tokenizer)
    return name, model.double().eval(), tokenizer


def random_model(texts: Sequence[str], seed: int) -> tuple[Any, Any]:
    """A small BERT in float64 whose weights are drawn, and a tokenizer with a token for each word of the texts.

    Weights of matrices have a standard deviation of 0.2 in place of BERT's 0.02, with which every token would look at
    all others alike.
    """
    import transformers

    tokenizer = words_tokenizer(texts)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=RANDOM["width"],
        num_hidden_layers=RANDOM["layers"],
        num_attention_heads=RANDOM["heads"],
        intermediate_size=RANDOM["inner"],
        max_position_embeddings=RANDOM["positions"],
        initializer_range=0.2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = transformers.BertModel(config, add_pooling_layer=False)
    return model.double().eval(), tokenizer


def words_tokenizer(texts: Sequence[str]) -> Any:
    """A tokenizer with a token for each word of the texts in small letters, behind [PAD], [UNK], [CLS] and [SEP]."""
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    normal, cut = normalizers.Lowercase(), pre_tokenizers.BertPreTokenizer()
    words = [word for text in texts for word, _ in cut.pre_tokenize_str(normal.normalize_str(text))]
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys([*marks, *words]))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normal, cut
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


def _words(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """Tokens as people read them: of byte-level vocabularies the text, of others the pieces."""
    pieces: list[str] = tokenizer.convert_ids_to_tokens(ids)
    written = [
        tokenizer.convert_tokens_to_string([piece]) if "Ġ" in piece or "▁" in piece else piece for piece in pieces
    ]
    return [text.strip() or piece for text, piece in zip(written, pieces, strict=True)]


@contextmanager
def _replaced(model: Any) -> Iterator[list[Attended]]:
    """Have the pieces compute a model's attention while the block runs; gives what each layer was given, in order."""
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    seen: list[Attended] = []

    def by_pieces(
        module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **given: Any
    ) -> tuple[Tensor, Tensor]:
        shared = query.shape[1] // key.shape[1]  # heads that have the same keys and values, as in Llama 3
        key, value = key.repeat_interleave(shared, dim=1), value.repeat_interleave(shared, dim=1)
        visible = None if mask is None else mask > torch.finfo(mask.dtype).min / 2
        scale, bias = given.get("scaling"), given.get("position_bias")
        scale = query.shape[-1] ** -0.5 if scale is None else float(scale)
        states, weights = scaled_dot_product(query, key, value, visible=visible, bias=bias, scale=scale)
        seen.append(Attended(query, key, value, visible, bias, scale, weights))
        return states.transpose(1, 2).contiguous(), weights

    before = model.config._attn_implementation
    own = [part for part in model.modules() if type(part).__name__ == MPNET]
    ALL_ATTENTION_FUNCTIONS[PIECES] = by_pieces
    # for good, as transformers makes no masks for what is registered for a while
    ALL_MASK_ATTENTION_FUNCTIONS.register(PIECES, ALL_MASK_ATTENTION_FUNCTIONS["eager"])
    try:
        model.set_attn_implementation(PIECES)
        for part in own:
            part.forward = functools.partial(_as_mpnet, part, by_pieces)
        yield seen
    finally:
        for part in own:
            del part.forward
        model.set_attn_implementation(before)
        del ALL_ATTENTION_FUNCTIONS[PIECES]


def _as_mpnet(
    part: Any,
    attend: Callable[..., tuple[Tensor, Tensor]],
    states: Tensor,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, Tensor]:
    """What MPNet's attention gives, which Transformers has within its layers and not as a function: with the
    projections of a layer, and the bias of distances that all layers share."""
    query, key, value = (split_heads(project(states), part.num_attention_heads) for project in (part.q, part.k, part.v))
    seen, weights = attend(part, query, key, value, mask, position_bias=bias)
    return part.o(seen.flatten(-2)), weights
