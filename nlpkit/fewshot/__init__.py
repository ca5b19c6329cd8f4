"""From few labels to a classifier: `finetune-cls --few-shot` and `--heads`."""
