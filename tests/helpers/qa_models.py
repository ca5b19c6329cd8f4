"""Question answering that a tiny model can learn: which word of a kind stands in a context."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conftest import BAD, FILLER, GOOD, WORDS, make_tokenizer

SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def byte_bpe() -> Any:
    """A byte-level BPE tokenizer as RoBERTa has it: two separators between the texts, no token types."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator([f"a {word} was {word}s" for word in WORDS] * 3, trainer)
    inner.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        model_max_length=64,
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_input_names=["input_ids", "attention_mask"],
    )


def cls_last() -> Any:
    """A tokenizer as XLNet has it: <cls> comes last, padding first, a blank belongs to the word behind it."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = [*(f"▁{word}" for word in WORDS), "▁", *letters, ".", "é"]
    vocabulary = [(token, 0.0) for token in ("<unk>", "<pad>", "<sep>", "<cls>")]
    inner = Tokenizer(models.Unigram([*vocabulary, *((piece, -float(i + 1)) for i, piece in enumerate(pieces))], 0))
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.post_processor = processors.TemplateProcessing(
        single="$A:0 <sep>:0 <cls>:2",
        pair="$A:0 <sep>:0 $B:1 <sep>:1 <cls>:2",
        special_tokens=[("<sep>", 2), ("<cls>", 3)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        model_max_length=64,
        cls_token="<cls>",
        sep_token="<sep>",
        pad_token="<pad>",
        unk_token="<unk>",
        padding_side="left",
        model_input_names=["input_ids", "attention_mask", "token_type_ids"],
    )


TOKENIZERS: dict[str, Callable[[], Any]] = {"bert": make_tokenizer, "roberta": byte_bpe, "xlnet": cls_last}
MODELS = (*TOKENIZERS, "longformer")


def make_reader(folder: Path, kind: str = "bert") -> Path:
    """A random model with a span head and its tokenizer; large weights, so that scores are far apart."""
    import torch
    import transformers as hf

    tokenizer = TOKENIZERS["roberta" if kind == "longformer" else kind]()
    common = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, "initializer_range": 0.3}
    torch.manual_seed(3)
    model = {
        "bert": lambda: hf.BertForQuestionAnswering(hf.BertConfig(**common, **SHAPE, max_position_embeddings=64)),
        "roberta": lambda: hf.RobertaForQuestionAnswering(
            hf.RobertaConfig(**common, **SHAPE, max_position_embeddings=66)
        ),
        "xlnet": lambda: hf.XLNetForQuestionAnsweringSimple(
            hf.XLNetConfig(**common, d_model=32, n_layer=2, n_head=2, d_inner=64)
        ),
        "longformer": lambda: hf.LongformerForQuestionAnswering(
            hf.LongformerConfig(
                **common, **SHAPE, max_position_embeddings=514, attention_window=16, sep_token_id=tokenizer.sep_token_id
            )
        ),
    }[kind]()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def asked(count: int, *, unanswerable: bool = False, seed: int = 0) -> list[dict[str, Any]]:
    """Rows in SQuAD's flat layout: the question names a kind, the answer is the one word of that kind."""
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        kinds = {"good": GOOD[1:], "bad": BAD[1:]}
        words = rng.choices(FILLER, k=rng.randint(4, 14))
        for kind in kinds.values():
            words.insert(rng.randrange(len(words) + 1), rng.choice(kind))
        kind = rng.choice(["good", "bad"])
        if unanswerable and number % 3 == 0:
            words = [word for word in words if word not in kinds[kind]]
        context = " ".join(words)
        found = [word for word in words if word in kinds[kind]]
        rows.append(
            {
                "id": f"q{number}",
                "context": context,
                "question": f"{kind} was the",
                "answers": {"text": found, "answer_start": [f" {context} ".index(f" {word} ") for word in found]},
            }
        )
    return rows


def nested(rows: list[dict[str, Any]], *, impossible: bool = False) -> dict[str, Any]:
    """The same in SQuAD's nested JSON."""
    paragraphs = []
    for row in rows:
        answers = row["answers"]
        entry: dict[str, Any] = {
            "id": row["id"],
            "question": row["question"],
            "answers": [
                {"text": text, "answer_start": start}
                for text, start in zip(answers["text"], answers["answer_start"], strict=True)
            ],
        }
        if impossible:
            entry["is_impossible"] = not answers["text"]
        paragraphs.append({"context": row["context"], "qas": [entry]})
    return {"version": "test", "canary": "xyz", "data": [{"title": "made", "paragraphs": paragraphs}]}


def write_squad(path: Path, rows: list[dict[str, Any]], *, impossible: bool = False) -> Path:
    path.write_text(json.dumps(nested(rows, impossible=impossible), ensure_ascii=False), encoding="utf-8")
    return path
