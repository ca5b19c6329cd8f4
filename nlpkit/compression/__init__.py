"""From a wish to the smallest chain of distillation, pruning and quantization that meets it."""
