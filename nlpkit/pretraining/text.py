"""Running text to rows of tokens: which options say how, and what is held out for validation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.options import CorpusOptions, DataOptions, NotWith, Strings, option, option_like
from nlpkit.reporting import counted

if TYPE_CHECKING:
    from nlpkit.data.corpus import Corpus
    from nlpkit.pretraining.streams import Encoder, HeldOut, TokenStream

    Cut = Callable[[TokenStream, int], Any]

STREAMED_VALIDATION_ROWS = 500


ROWS_OF_SEVERAL = NotWith(("line_by_line",), why=": the rows of --line-by-line are of one document each")


class RunningTextOptions(CorpusOptions):
    """How text becomes rows of tokens."""

    validation_file: Strings = option_like(
        DataOptions, "validation_file", help="Text to validate on (repeatable).", shown_default="held out of --data"
    )
    validation_share: float = option_like(
        DataOptions,
        "validation_share",
        0.05,
        "Share of the lines held out for validation.",
        lt=None,
        le=0.5,
        only_with=NotWith(("validation_file",), why=": --validation-file is all that is validated on"),
    )
    max_eval_samples: int | None = option_like(
        DataOptions,
        "max_eval_samples",
        help="Validate on at most N rows.",
        shown_default=f"all; {STREAMED_VALIDATION_ROWS} streamed",
    )
    max_length: int = option(128, "Tokens per row (a block).", panel="Data", ge=8)
    line_by_line: bool = option(
        False, "A row is a line, batched with others of like length, instead of a full block.", panel="Data"
    )
    isolate_documents: bool = option(
        True,
        "No attention between the documents of a block (a blank line or a table row ends one).",
        panel="Data",
        only_with=ROWS_OF_SEVERAL,
    )
    streaming: bool = option(
        False, "Read the corpus while training, without a copy on the disk: for very large corpora.", panel="Data"
    )


def rows_of(
    config: RunningTextOptions,
    corpus: Corpus,
    encoder: Encoder,
    cut: Cut,
    *,
    judged: Cut | None = None,
    neighbours: bool,
    rows_per_step: int,
    seed: int,
    grouped: bool,
) -> tuple[Any, Any]:
    """Training rows and validation rows, cut from one stream of tokens or from one for each.

    Args:
        encoder: from lines to token ids.
        cut: from a token stream to rows.
        judged: the same for validation, where that is cut in another way.
        neighbours: rows are pairs of passages that follow each other, so that lines are held out in runs.
        rows_per_step: of an optimizer step, in all processes.
        seed: of the hold-out, and of the order in which a stream is read.
        grouped: rows of like length come together.

    Raises:
        UserError: there is too little text.
    """
    from nlpkit.pretraining import streams
    from nlpkit.pretraining.streaming import StreamedRows

    held_out = None
    if not config.validation_file:
        held_out = streams.HeldOut.share(config.validation_share, run=10 if neighbours else 1, seed=seed)
    if config.streaming:
        train: Any = StreamedRows(corpus, encoder, held_out, cut, batch=rows_per_step, seed=seed, grouped=grouped)
        wanted = config.max_eval_samples or STREAMED_VALIDATION_ROWS
        source = _validation(config, corpus) if config.validation_file else corpus
        keep = streams.belongs(streams.parts(held_out)[-1], held_out)
        stream, _ = streams.in_memory(source.batches(), encoder, keep=keep, limit=wanted * config.max_length)
    else:
        stream_of = token_streams(corpus, encoder, held_out)
        train = cut(stream_of["train"], 0)
        if "validation" not in stream_of:
            stream = token_streams(_validation(config, corpus), encoder, None)["train"]
        else:
            # neighbours have to stay
            stream = stream_of["validation"] if neighbours else _unseen(stream_of["validation"], stream_of["train"])
        wanted = config.max_eval_samples or len(stream.tokens)
        if not len(train):
            raise UserError(*_too_little_to_train(config, stream_of["train"], neighbours=neighbours))
    validation = (judged or cut)(stream, 0)
    if not len(validation):
        raise UserError(*_too_little_to_validate(config, stream, neighbours=neighbours))
    return train, validation_order(validation, wanted)


def _validation(config: RunningTextOptions, corpus: Corpus) -> Corpus:
    """The text of --validation-file, read as the corpus is."""
    return type(corpus)(config, config.validation_file, verbatim=corpus.verbatim)


def _too_little_to_train(config: RunningTextOptions, stream: TokenStream, *, neighbours: bool) -> tuple[str, str]:
    """What is wrong, and what to do."""
    if neighbours:
        return "the corpus has no two passages to make pairs of", "Give more text or a shorter --max-length."
    return (
        f"the corpus has {counted(len(stream.tokens), 'token', 'tokens')}, too few for one row of {config.max_length}",
        "Give more text or a shorter --max-length, or use --line-by-line.",
    )


def _too_little_to_validate(config: RunningTextOptions, stream: TokenStream, *, neighbours: bool) -> tuple[str, str]:
    """What is wrong, and what to do."""
    has = f"too little text for validation: {counted(len(stream.tokens), 'token', 'tokens')}"
    if neighbours:
        return f"{has} hold no two passages", "Raise --validation-share, give a --validation-file."
    return (
        f"{has}, a row has {config.max_length}",
        "Raise --validation-share, give a --validation-file, or use --line-by-line.",
    )


def _unseen(held_out: TokenStream, train: TokenStream) -> TokenStream:
    """What is held out without lines that are trained on too, unless all are; either is told."""
    from nlpkit.pretraining import streams

    stream, seen = streams.unseen(held_out, train)
    lines = len(held_out.texts) - 1
    if seen == lines > 0:
        reporting.current().warn(
            f"validation: all {counted(lines, 'line', 'lines')} held out also stand in train (--validation-file)"
        )
        return held_out
    if seen:
        reporting.current().note(
            f"validation: {seen:,} of {lines:,} lines held out also stand in train and are not validated on"
        )
    return stream


def token_streams(corpus: Corpus, encoder: Encoder, held_out: HeldOut | None) -> dict[str, TokenStream]:
    """All tokens of a corpus, from the cache; standard input goes into memory, as nobody can read it again."""
    from nlpkit.pretraining import streams

    if corpus.record()["kind"] != "stdin":
        return streams.cached(corpus, encoder, held_out)
    batches = list(corpus.batches())
    return {
        name: streams.in_memory(batches, encoder, keep=streams.belongs(name, held_out), limit=2**62)[0]
        for name in streams.parts(held_out)
    }


def validation_order(rows: Any, wanted: int) -> Any:
    """At most `wanted` rows, evenly spaced, longest first: next to nothing is padding."""
    import numpy as np
    from torch.utils.data import Subset

    chosen = np.unique(np.linspace(0, len(rows) - 1, min(wanted, len(rows))).astype(int))
    chosen = chosen[np.argsort(-rows.lengths[chosen], kind="stable")]
    return Subset(rows, chosen.tolist())
