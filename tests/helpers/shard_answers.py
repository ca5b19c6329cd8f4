"""What answers shards in tests of the processes that do: no model is opened, and what goes wrong is as asked."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nlpkit.errors import UserError
from nlpkit.reporting import Report


def answering(options: Mapping[str, Any]) -> Callable[[str, Path], Report]:
    """Answers that repeat a shard's text in capitals; a shard that holds one of these words has it happen.

    killed: the process is killed, as where memory runs out. killed once: the first time. wrong: it cannot be read.
    slow: it takes its time. node: it takes a while, and the node of the cluster is written beside it.
    """
    if options.get("refused"):
        raise UserError("no such model", "Name another.")

    def answer(file: str, output: Path) -> Report:
        text = Path(file).read_text()
        before = Path(f"{file}.before")
        if text.startswith("killed") and not ("once" in text and before.exists()):
            before.touch()
            output.write_text("half of ")
            os.kill(os.getpid(), signal.SIGKILL)
        if text.startswith("wrong"):
            raise UserError(f"{file} line 1: cannot be read")
        if text.startswith("slow"):
            time.sleep(60)
        if text.startswith("node") and (ray := sys.modules.get("ray")) is not None and ray.is_initialized():
            time.sleep(0.4)
            Path(f"{file}.{ray.get_runtime_context().get_node_id()}").touch()
        output.write_text(text.upper())
        told = {"rows": 1, "failed": 0, "device": f"cpu ({options.get('threads')} threads), fp32"}
        return Report({**told, "columns": ["text"], "read_columns": ["text"]})

    return answer
