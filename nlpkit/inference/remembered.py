"""What a model gave for inputs that it was asked about before, by their content.

Vectors of a collection cost minutes, and are asked for again with each new set of queries or figures. They are kept in
the cache under the content of the model's files, its settings and the arithmetic, each beside a digest of its tokens.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from nlpkit import reporting
from nlpkit.data import cache
from nlpkit.reporting import counted
from nlpkit.tasks.contract import BOOKKEEPING

KIND = "vectors"
FEWEST = 256  # inputs that are kept: asking about fewer again takes no longer than opening a file
DIGEST = 16  # bytes
WEIGHTS = ("*.safetensors", "*.bin", "*.onnx", "*.onnx_data", "config.json")
DIGESTS, VALUES = "digests.npy", "values.npy"


@dataclass
class Remembered:
    """What one model gave.

    Attributes:
        key: of the model, its settings and the arithmetic.
        known: digest of an input -> the array that has its value, and the row there.
        arrays: of what was kept.
        fresh: digest -> value of what was not known yet.
        asked, reused: inputs that were asked about, and how many of them were known.
    """

    key: str
    known: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    arrays: list[np.ndarray] = field(default_factory=list)
    fresh: dict[bytes, np.ndarray] = field(default_factory=dict)
    asked: int = 0
    reused: int = 0

    @classmethod
    def of(cls, folder: Path, settings: Any) -> Self:
        """What the model in a folder gave with these settings (JSON values)."""
        return cls._kept_under(_key(settings, _files(folder)))

    @classmethod
    def of_weights(cls, model: Any, settings: Any, unread: Collection[str] = ()) -> Self:
        """The same of a model in memory, part of which may never have been in a file (a pooler drawn anew).

        Args:
            unread: names of weights that the values do not hang on.
        """
        return cls._kept_under(_key(settings, _weights(model, unread)))

    @classmethod
    def _kept_under(cls, key: str) -> Self:
        found = cls(key)
        for entry in cache.entries(KIND, f"{found.key}-"):
            digests = np.load(entry / DIGESTS, allow_pickle=False)
            found.known |= {row.tobytes(): (len(found.arrays), i) for i, row in enumerate(digests)}
            found.arrays.append(np.load(entry / VALUES, mmap_mode="r", allow_pickle=False))
        return found

    def digests(self, made: Mapping[str, Sequence[Any]]) -> list[bytes]:
        """A digest of each input, of features."""
        names = sorted(name for name in made if name not in BOOKKEEPING)
        rows = zip(*(made[name] for name in names), strict=True)
        return [hashlib.blake2b(json.dumps(row).encode(), digest_size=DIGEST).digest() for row in rows]

    def values(self, digests: Sequence[bytes]) -> np.ndarray:
        """The values of inputs that are known, shape (inputs, ...)."""
        places = [self.known[digest] for digest in digests]
        return np.stack([np.asarray(self.arrays[array][row]) for array, row in places])

    def add(self, digests: Sequence[bytes], values: np.ndarray) -> None:
        """Take note of inputs that were asked about, and of what came of them."""
        for digest, value in zip(digests, values, strict=True):
            self.asked += 1
            if digest in self.known:
                self.reused += 1
            else:
                self.fresh[digest] = value

    def keep(self) -> None:
        """Write what was not known, and say how much was."""
        if self.reused:
            reporting.current().note(
                f"{self.reused:,} of {counted(self.asked, 'text', 'texts')} had their vectors in the cache"
            )
        if len(self.fresh) < FEWEST:
            return
        digests = np.frombuffer(b"".join(self.fresh), np.uint8).reshape(-1, DIGEST)
        values = np.stack(list(self.fresh.values()))

        def write(place: Path) -> None:
            np.save(place / DIGESTS, digests)
            np.save(place / VALUES, values)

        name = hashlib.blake2b(digests.tobytes(), digest_size=DIGEST).hexdigest()
        cache.kept(KIND, f"{self.key}-{name}", write)


def _key(settings: Any, content: Iterable[bytes]) -> str:
    """What tells a model, its settings and the arithmetic from others."""
    import torch
    import transformers

    import nlpkit

    versions = [nlpkit.__version__, torch.__version__, transformers.__version__]
    digest = hashlib.blake2b(json.dumps([settings, versions], sort_keys=True).encode(), digest_size=DIGEST)
    for part in content:
        digest.update(part)
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[bytes]:
    files = {path for pattern in WEIGHTS for place in (folder, folder / "onnx") for path in place.glob(pattern)}
    for path in sorted(files):
        with path.open("rb") as file:
            yield path.name.encode() + hashlib.file_digest(file, "sha256").digest()


def _weights(model: Any, unread: Collection[str]) -> Iterator[bytes]:
    import torch

    yield type(model).__name__.encode() + json.dumps(model.config.to_diff_dict(), sort_keys=True, default=str).encode()
    for name, tensor in model.state_dict().items():
        if name in unread:
            continue
        yield f"{name} {tensor.dtype}".encode()
        yield tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data
