"""What people see of models that turn a text into another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nlpkit.reporting import Table
from nlpkit.tasks import usage
from nlpkit.tasks.text2text_generation.task import Text2Text
from nlpkit.tasks.text_generation.view import written
from nlpkit.tasks.view import View


class Text2TextView(View[Text2Text]):
    """See the module's docstring."""

    def answer_tables(self, rows: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]]) -> list[Table]:
        """One table: each text with what was written for it."""
        return written("text", rows, answers)

    @classmethod
    def purpose(cls, recorded: Mapping[str, Any]) -> str:
        return "Turns a text into another: a translation, a summary."

    @classmethod
    def transformers_code(cls, recorded: Mapping[str, Any]) -> list[str]:
        return [
            "from transformers import AutoModelForSeq2SeqLM, AutoTokenizer",
            "",
            'model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained("."), AutoTokenizer.from_pretrained(".")',
            f'tokens = tokenizer({usage.EXAMPLE}, return_tensors="pt")',
            "written = model.generate(**tokens, max_new_tokens=100)",
            "print(tokenizer.batch_decode(written))",
        ]
