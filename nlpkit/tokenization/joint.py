"""One tokenizer for sources and targets: learned from the rows of both, or an existing one made ready for a model that
reads and writes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nlpkit import reporting
from nlpkit.options import Config, NotWith, option
from nlpkit.tokenization import saving
from nlpkit.tokenization.pipelines import PANEL, Pipeline, PipelineOptions, in_bytes
from nlpkit.tokenization.training import BATCH, explained

# The 29,000 pairs of Multi30k are trained with a joint BPE of 8,000 to 10,000 (Wu et al. 2021); pieces grow with the
# root of the text, as the number of different words does (Heaps 1978).
PIECES, PAIRS = 8_000, 29_000
FEWEST, MOST = 1_000, 32_000  # the latter as T5 has it (Raffel et al. 2020)
ROUNDED = 500
PAD, END = "<pad>", "</s>"  # where a tokenizer has none
TRIED = 1_000  # targets that are cut and put together again


class JointTokenizerOptions(Config):
    """What the tokenizer of a new model that reads and writes is made of."""

    vocab_size: int | None = option(
        None,
        "Pieces of the tokenizer that is learned from sources and targets.",
        panel=PANEL,
        ge=1,
        shown_default="by the rows: 8,000 for 29,000 pairs",
        only_with=(
            NotWith(("model",), why=": --model {model} has its own"),
            NotWith(("encoder", "decoder"), why=": --encoder and --decoder have their own"),
            NotWith(("tokenizer",), why=": --tokenizer {tokenizer} has its own"),
        ),
    )


def vocabulary_for(pairs: int) -> int:
    """Pieces for a number of pairs of texts, where none is asked for: 8,000 for 29,000 pairs, in proportion to the
    root of their number, from 1,000 to 32,000."""
    wanted = PIECES * (pairs / PAIRS) ** 0.5
    return int(min(max(round(wanted / ROUNDED) * ROUNDED, FEWEST), MOST))


def learned(pairs: Sequence[tuple[str, str]], options: JointTokenizerOptions, *, special: Sequence[str] = ()) -> Any:
    """A tokenizer learned from pairs of texts: a BPE over bytes, so that no character is unknown and every text comes
    back as it was, in the style of T5, whose texts end with `</s>`.

    The same pairs give the same tokenizer, in whatever order.

    Args:
        pairs: source and target of each training row.
        options: its size.
        special: more tokens that are never cut, such as language codes or prefixes.

    Returns:
        A fast tokenizer of transformers, as `AutoTokenizer` opens it.

    Raises:
        UserError: --vocab-size has no room for the bytes.
    """
    size = options.vocab_size or vocabulary_for(len(pairs))
    pipeline = Pipeline.of(PipelineOptions(style="t5", kind="byte-bpe", vocab_size=size, special_token=list(special)))
    backend = pipeline.untrained()
    try:
        backend.train_from_iterator(_batches(pairs), pipeline.trainer())
    except Exception as error:
        raise explained(error) from error
    found = backend.get_vocab_size()
    why = "--vocab-size" if options.vocab_size else f"chosen for {len(pairs):,} pairs; --vocab-size sets it"
    short = f" of {size:,} asked for, as the texts have no more pieces that occur twice" if found < size else ""
    reporting.current().note(f"tokenizer: {found:,} pieces{short}, learned from sources and targets ({why})")
    # how long a text may be is the model's affair
    arguments = {name: value for name, value in pipeline.init_arguments().items() if name != "model_max_length"}
    return _opened(pipeline.finish(backend), arguments)


def made_ready(tokenizer: Any, name: str, targets: Sequence[str]) -> Any:
    """A tokenizer that was made for other models, such that texts end with a token for their end and are padded with
    another one; what it lacks is added, and said, as is how many of the targets it cannot give back as they are.

    Args:
        tokenizer: a fast one of transformers; it is left as it is.
        name: what the user calls it.
        targets: texts that a model is to write; the first 1,000 are tried.

    Returns:
        That tokenizer, or a new one.
    """
    from tokenizers import AddedToken, Tokenizer, processors

    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_truncation()
    backend.no_padding()
    arguments, told = saving.arguments_of(tokenizer), []
    end = tokenizer.eos_token or tokenizer.sep_token or END
    pad = tokenizer.pad_token if tokenizer.pad_token not in (None, end) else PAD
    for token, purpose in ((end, "the end of a text"), (pad, "padding")):
        if backend.token_to_id(token) is None:
            backend.add_special_tokens([AddedToken(token, normalized=False, special=True)])
            told.append(f"{token} is added for {purpose}")
    if backend.encode("").ids[-1:] != [backend.token_to_id(end)]:
        template = processors.TemplateProcessing(
            single=f"$A {end}", pair=f"$A {end} $B:1 {end}:1", special_tokens=[(end, backend.token_to_id(end))]
        )
        by_bytes = processors.ByteLevel(trim_offsets=False)
        backend.post_processor = processors.Sequence([by_bytes, template]) if in_bytes(backend) else template
        told.append(f"texts end with {end}")
    if (tokenizer.eos_token, tokenizer.pad_token) != (end, pad) or told:
        tokenizer = _opened(backend, {**arguments, "eos_token": end, "pad_token": pad})
    if told:
        reporting.current().note(f"the tokenizer of {name}: {'; '.join(told)}")
    _tell_changed(tokenizer, name, targets[:TRIED])
    return tokenizer


def _tell_changed(tokenizer: Any, name: str, targets: Sequence[str]) -> None:
    """Warn of texts that come out of their tokens otherwise than they went in: no model could write them."""
    if not targets:
        return
    back = tokenizer.batch_decode(tokenizer(list(targets), verbose=False)["input_ids"], skip_special_tokens=True)
    changed = [pair for pair in zip(targets, back, strict=True) if pair[0] != pair[1]]
    if changed:
        before, after = changed[0]
        reporting.current().warn(
            f"the tokenizer of {name} cannot give {len(changed):,} of {len(targets):,} targets back as they are, so no "
            f"model can write them: {before!r} becomes {after!r}"
        )


def _opened(backend: Any, arguments: dict[str, Any]) -> Any:
    """A tokenizer as it is opened again from its files."""
    with tempfile.TemporaryDirectory() as folder:
        return saving.save(backend, Path(folder), arguments)


def _batches(pairs: Sequence[tuple[str, str]]) -> Iterable[list[str]]:
    for start in range(0, len(pairs), BATCH):
        yield [text for pair in pairs[start : start + BATCH] for text in pair]
