"""What people see of masked language modelling: the size of texts, and candidates in their sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from nlpkit.reporting import Table
from nlpkit.tasks import usage
from nlpkit.tasks.masked_lm.task import PORTABLE_MASKS, MaskedLanguageModeling
from nlpkit.tasks.running_text import RunningTextView
from nlpkit.tasks.view import Shown

CONTEXT = 60  # characters of the text to each side of a mask that the printed table shows


class MaskedLMView(RunningTextView[MaskedLanguageModeling]):
    """See the module's docstring."""

    shown_as: ClassVar[Shown] = "fills"
    example_inputs: ClassVar[Sequence[Sequence[str]]] = (
        (f"The train was {PORTABLE_MASKS[0]}, so we had to {PORTABLE_MASKS[0]} for an hour.",),
    )

    def answer_tables(self, rows: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]]) -> list[Table]:
        """One table a text: each candidate in its sentence, where other masks stay as they are."""
        tables = []
        for row, answer in zip(rows, answers, strict=True):
            text = row["text"]
            title = f"{row['hint']} | {text}" if "hint" in row else text
            if answer.get("error"):
                tables.append(Table(title, ["error"], [[answer["error"]]]))
                continue
            several = len(answer["candidates"]) > 1
            body: list[list[Any]] = []
            for mask, candidates in enumerate(answer["candidates"]):
                for rank, candidate in enumerate(candidates, start=1):
                    sentence = self._filled(self.task.localized(text), mask, candidate["token_id"])
                    number = [mask + 1] if several else []
                    body.append([sentence, *number, rank, candidate["token"].strip(), candidate["score"]])
            header = ["sentence", *(["mask"] if several else []), "rank", "candidate", "score"]
            tables.append(Table(title, header, body))
        return tables

    @classmethod
    def purpose(cls, recorded: Mapping[str, Any]) -> str:
        return "Says which words may stand at a masked place of a text."

    @classmethod
    def longer_texts(cls, recorded: Mapping[str, Any]) -> str:
        return "longer ones are read in windows"

    @classmethod
    def transformers_code(cls, recorded: Mapping[str, Any]) -> list[str]:
        call = ['print(model(f"Your text {model.tokenizer.mask_token} here."))']
        return usage.pipeline_code("fill-mask", call)

    @classmethod
    def onnx_code(cls, recorded: Mapping[str, Any], file: str) -> list[str]:
        answer = [
            "place = tokens.input_ids[0].tolist().index(tokenizer.mask_token_id)",
            "print(tokenizer.convert_ids_to_tokens(outputs[0][0, place].argsort()[:-6:-1]))",
        ]
        return usage.onnx_code(file, 'f"Your text {tokenizer.mask_token} here.", truncation=True', answer)

    def _filled(self, text: str, mask: int, token: int) -> str:
        """The text around its mask number `mask` with a token in its place, spelled as the tokenizer joins tokens."""
        own = self.task.tokenizer.mask_token
        parts = text.split(own)
        left, right = own.join(parts[: mask + 1]), own.join(parts[mask + 1 :])
        left = left if len(left) <= CONTEXT else "…" + left[-CONTEXT:]
        right = right if len(right) <= CONTEXT else right[:CONTEXT] + "…"
        # how a token joins what stands before it is seen behind any word
        anchor = self.task.tokenizer("a", add_special_tokens=False)["input_ids"]
        alone, joined = self.task.tokenizer.decode(anchor), self.task.tokenizer.decode([*anchor, token])
        piece = joined[len(alone) :] if joined.startswith(alone) else f" {self.task.tokenizer.decode([token])}"
        if piece.startswith(" "):
            blank = "" if not left or not left[-1].isalnum() else " "
            return left + blank + piece.lstrip() + right
        continues = self.task.tokenizer.convert_ids_to_tokens(token).startswith("##")
        if continues or self.task.tokenizer.added_tokens_decoder[self.task.tokenizer.mask_token_id].lstrip:
            left = left.rstrip()
        return left + piece + right
