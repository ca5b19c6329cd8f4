"""Models whose cost is known: BERT encoders that wait so long, or take so much memory, in each forward pass.

They wait busily: after a real sleep the rest of the model finds cold caches and a slower clock, and takes longer too.
"""

from __future__ import annotations

import json
from pathlib import Path

CODE = '''"""A BERT that does something known in each forward pass."""

import time

import torch
from transformers import BertModel


class PlantedModel(BertModel):
    def forward(self, *inputs, **named):
        until = time.perf_counter() + self.config.wait_ms / 1e3
        while time.perf_counter() < until:
            pass
        held = torch.ones(int(self.config.allocate_mb * 250_000))  # four bytes each, written to
        outputs = super().forward(*inputs, **named)
        del held
        return outputs
'''


def save(folder: Path, *, layers: int = 2, width: int = 64, wait_ms: float = 0, allocate_mb: float = 0) -> Path:
    """Write a model folder that opens with --trust-remote-code.

    Args:
        folder: to write to.
        layers, width: of the encoder.
        wait_ms: milliseconds that a forward pass waits besides.
        allocate_mb: memory that it takes besides, in 10^6 bytes, and gives back.
    """
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    heads = max(width // 64, 1)
    shape = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads}
    BertModel(BertConfig(vocab_size=1_000, intermediate_size=4 * width, **shape)).save_pretrained(folder)
    (folder / "modeling_planted.py").write_text(CODE, encoding="utf-8")
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config |= {"wait_ms": wait_ms, "allocate_mb": allocate_mb}
    config |= {"architectures": ["PlantedModel"], "auto_map": {"AutoModel": "modeling_planted.PlantedModel"}}
    path.write_text(json.dumps(config, indent=2), encoding="utf-8")
    return folder
