"""A decoder put together from the pieces: what is written looks at itself, and at what was read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nlpkit import reporting
from nlpkit.errors import RunError, UserError
from nlpkit.learn.borrowed import decoder_of
from nlpkit.learn.measures import by_head, entropy
from nlpkit.learn.pictures import MOST_DRAWN, Heat, grid, tokens_named
from nlpkit.learn.pieces.masks import padding
from nlpkit.learn.shown import Shown
from nlpkit.learn.subject import BATCH, EQUAL, RANDOM, opened_whole, tokens_of, words_tokenizer
from nlpkit.reporting import Cell, Table

if TYPE_CHECKING:
    from nlpkit.learn.options import LearnOptions


def show(options: LearnOptions) -> Shown:
    """Differences by layer, and the weights of the attention to what was read.

    Raises:
        UserError: the model has no decoder of a kind that is known here, or there are other than two texts.
        RunError: the pieces do not give what the model does.
    """
    texts = list(options.text) or list(BATCH)
    if len(texts) != 2:
        raise UserError("a decoder reads a text and writes another", "Give both: --text READ --text WRITTEN.")
    name, model, tokenizer = _opened(options, texts)
    pieces = decoder_of(model, name)
    read = tokens_of(tokenizer, [texts[0]], model, name)
    written = tokens_of(tokenizer, [texts[1]], model, name)
    there = read["attention_mask"].bool()
    with torch.no_grad():
        theirs = model(
            input_ids=read["input_ids"],
            attention_mask=read["attention_mask"],
            decoder_input_ids=written["input_ids"],
            output_hidden_states=True,
        )
        ours = pieces(theirs.decoder_hidden_states[0], theirs.encoder_last_hidden_state, visible_read=padding(there))
    pairs = list(zip(ours.states, theirs.decoder_hidden_states, strict=True))
    # Transformers shows the last state behind the last norm, as the piece does
    differences = [float((mine - one).abs().max() / one.abs().max()) for mine, one in pairs]
    if not max(differences) <= EQUAL:
        raise RunError(f"{name}: the decoder of pieces differs by {max(differences):.1e} of the largest state")
    tokens = {"read": read["tokens"][0], "written": written["tokens"][0]}
    rows: list[list[Cell]] = []
    everywhere = torch.ones(1, len(tokens["written"]), dtype=torch.bool)
    for number, (weights, cross) in enumerate(zip(ours.weights, ours.cross_weights, strict=True), 1):
        spreads = [by_head(entropy(each), everywhere) for each in (weights, cross)]
        rows.append(
            [
                str(number),
                f"{differences[number]:.1e}",
                *(f"{one.min():.2f} to {one.max():.2f} bits" for one in spreads),
            ]
        )
    header = ["layer", "states differ by", "entropy of heads: to what is written", "to what was read"]
    names = {part: tokens_named(these)[:MOST_DRAWN] for part, these in tokens.items()}
    own, others = (
        [(f"layer {number}", _mean(layer, names["written"], keys, title)) for number, layer in enumerate(layers, 1)]
        for layers, keys, title in (
            (ours.weights, names["written"], "written"),
            (ours.cross_weights, names["read"], "read"),
        )
    )
    return Shown(
        {"model": name, "tokens": tokens, "largest_difference": max(differences), "differences": differences[1:]},
        [Table("the decoder by layer", header, rows)],
        [
            f"the layers of the decoder by the pieces: states differ from those of {name} by at most "
            f"{max(differences):.1e} of the largest (float64)"
        ],
        {
            "cross-attention": grid(others, "mean weight over the heads, of what was read", columns=3),
            "self-attention": grid(own, "mean weight over the heads, of what is written", columns=3),
        },
    )


def _mean(weights: Tensor, queries: list[str], keys: list[str], title: str) -> Heat:
    """The mean over the heads of the first text."""
    return Heat(weights[0].mean(dim=0)[: len(queries), : len(keys)].numpy(), queries, keys, "written", title)


def _opened(options: LearnOptions, texts: list[str]) -> tuple[str, Any, Any]:
    """Name, model and tokenizer; without a model a random BART that knows the words of the texts."""
    if options.model is not None:
        return opened_whole(options)
    import transformers

    tokenizer = words_tokenizer(texts)
    config = transformers.BartConfig(
        vocab_size=len(tokenizer),
        d_model=RANDOM["width"],
        encoder_layers=RANDOM["layers"],
        decoder_layers=RANDOM["layers"],
        encoder_attention_heads=RANDOM["heads"],
        decoder_attention_heads=RANDOM["heads"],
        encoder_ffn_dim=RANDOM["inner"],
        decoder_ffn_dim=RANDOM["inner"],
        max_position_embeddings=RANDOM["positions"],
        init_std=0.2,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
        decoder_start_token_id=2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(options.seed)
        model = transformers.BartModel(config)
    reporting.current().note(
        f"no RUN: a BART of {RANDOM['layers']} layers and {RANDOM['heads']} heads whose weights are drawn (seed "
        f"{options.seed}); each word is a token"
    )
    return "a random BART", model.double().eval(), tokenizer
