"""Tables of parallel texts to rows that are a text and its translation."""

from __future__ import annotations

from typing import Any

from nlpkit import reporting
from nlpkit.data.places import user_columns
from nlpkit.errors import UserError
from nlpkit.options import TextColumnOptions, option_like
from nlpkit.pretraining.text import RunningTextOptions, validation_order


class ParallelOptions(RunningTextOptions):
    """Where the other side of a parallel text stands."""

    text_pair_column: str | None = option_like(TextColumnOptions, "text_pair_column", help="Column of the translation.")


def rows_of(config: ParallelOptions, tokenizer: Any, seed: int) -> tuple[Any, Any]:
    """Training rows and validation rows of parallel texts; of the training rows every k-th is held out.

    Args:
        seed: of the hold-out.

    Raises:
        UserError: a column or a split is missing, or there are too few rows.
    """
    from nlpkit.data import columns, sources
    from nlpkit.data.inputs import Reading
    from nlpkit.pretraining import streams
    from nlpkit.pretraining.rows import Translations

    encoder = streams.Encoder(tokenizer)

    def read(specs: list[str]) -> list[tuple[Any, Any]]:
        splits: list[tuple[Any, Any]] = []
        for spec in specs:
            loaded = sources.load(
                spec,
                config=config.data_config,
                revision=config.data_revision,
                reading=Reading.of(config),
            )
            if config.data_split not in loaded.splits:
                raise UserError(
                    f"{spec}: there is no split '{config.data_split}'; there is {', '.join(loaded.splits)}",
                    "Name one with --data-split.",
                )
            table = loaded.splits[config.data_split]
            names = user_columns(table.column_names)
            sides = [
                table[columns.require(str(column), names, what, where=f"{spec}: ")][:]
                for column, what in ((config.text_column, "text"), (config.text_pair_column, "translation"))
            ]
            both = [("" if a is None else str(a), "" if b is None else str(b)) for a, b in zip(*sides, strict=True)]
            ids = [encoder.ids([pair[side] for pair in both]) for side in (0, 1)]
            whole = [(a, b) for a, b in zip(*ids, strict=True) if len(a) and len(b)]
            if len(whole) < len(both):
                reporting.current().warn(
                    f"{spec}: {len(both) - len(whole):,} of {len(both):,} rows lack the text or its translation and "
                    "are left out"
                )
            splits += whole
        return splits

    pairs = read(config.data)
    if config.validation_file:
        kept, held = pairs, read(config.validation_file)
    else:
        rule = streams.HeldOut.share(config.validation_share, run=1, seed=seed)
        kept = [pair for i, pair in enumerate(pairs) if i not in rule]
        held = _without([pair for i, pair in enumerate(pairs) if i in rule], kept)
    if not kept or not held:
        raise UserError(
            f"{len(pairs)} parallel rows are too few to train and validate", "Give more, or a --validation-file."
        )
    validation = Translations(held, tokenizer, config.max_length)
    return Translations(kept, tokenizer, config.max_length), validation_order(
        validation, config.max_eval_samples or len(held)
    )


def _without(held: list[tuple[Any, Any]], kept: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """The pairs held out that are not trained on too."""
    known = {(a.tobytes(), b.tobytes()) for a, b in kept}
    unseen = [(a, b) for a, b in held if (a.tobytes(), b.tobytes()) not in known]
    if len(unseen) < len(held):
        seen = len(held) - len(unseen)
        reporting.current().note(
            f"validation: {seen:,} of {len(held):,} rows held out also stand in train and are not validated on"
        )
    return unseen
