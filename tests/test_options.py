from __future__ import annotations

from nlpkit.recipes import finetune_cls


def test_a_record_gives_what_was_not_given_here() -> None:
    recorded = {"epochs": 7.0, "seed": 3, "input_format": "tsv", "gone": True}
    config = finetune_cls.Config(seed=5, data="rows.txt").on_top_of(recorded)
    assert (config.epochs, config.seed, config.data, config.batch_size) == (7.0, 5, "rows.txt", 32)
    assert config.format == "tsv", "under the name that the option has now"
    assert config.given == {"seed", "data", "epochs", "format"}
