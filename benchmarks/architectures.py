"""Every architecture that transformers has for a task, tiny and with random weights, through nlpkit's operations.

Nothing is timed: the table says what works (ok), what is refused in so many words, and what fails inside a library.
The tokenizer pads with another id than most configs name, and has fewer tokens than the models have rows; each text is
answered alone and in a batch, which must give the same scores. All of a task take some ten minutes on one core, with
`--operations finetune,onnx-int8` an hour.

Example: python benchmarks/architectures.py --task text-classification --only bert,xlnet,gpt2
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

WORDS = ["good", "bad", "kind", "rude", "warm", "cold", "the", "train", "film", "shop", "was", "very", "and", "a", "my"]
GOOD = ("good", "kind", "warm")
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
UNUSED = 300  # rows of the embeddings that no text needs
LARGEST = 30_000_000  # parameters beyond which a config did not become tiny: it is one of several models
OPERATIONS = ("finetune", "evaluate", "predict", "distill", "prune", "bf16")
HERE: dict[str, Any] = {"device": "cpu", "threads": 1}
BRIEF: dict[str, Any] = {**HERE, "max_steps": 1, "batch_size": 8}
HEADS = {
    "text-classification": "SEQUENCE_CLASSIFICATION",
    "token-classification": "TOKEN_CLASSIFICATION",
    "question-answering": "QUESTION_ANSWERING",
    "fill-mask": "MASKED_LM",
}
# whatever an architecture calls it
SHAPE: dict[str, Any] = {
    **dict.fromkeys(
        ("hidden_size", "d_model", "dim", "n_embd", "embedding_size", "emb_dim", "word_embed_proj_dim"), 32
    ),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_decoder_layers"), 2),
    **dict.fromkeys(("encoder_layers", "decoder_layers", "num_encoder_layers"), 2),
    **dict.fromkeys(
        ("num_attention_heads", "n_head", "n_heads", "num_heads", "num_key_value_heads", "num_kv_heads"), 4
    ),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 4),
    **dict.fromkeys(("intermediate_size", "d_inner", "d_ff", "n_inner", "hidden_dim", "ffn_dim", "dff"), 64),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim", "ffn_hidden_size", "feed_forward_size"), 64),
    **dict.fromkeys(("head_dim", "d_kv", "attention_head_size", "d_head", "global_head_dim", "v_head_dim"), 8),
    **dict.fromkeys(("qk_rope_head_dim", "qk_nope_head_dim", "kv_lora_rank", "q_lora_rank", "mamba_d_state"), 8),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"), 70),
    **dict.fromkeys(("max_encoder_position_embeddings", "max_decoder_position_embeddings"), 70),
    **dict.fromkeys(("num_local_experts", "num_experts", "num_experts_per_tok", "mamba_expand"), 2),
    **dict.fromkeys(("n_group", "topk_group", "n_shared_experts", "first_k_dense_replace"), 1),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size"), 32),
    "n_routed_experts": 4,
}
OWN: dict[str, dict[str, Any]] = {
    "big_bird": {"attention_type": "original_full"},
    "bigbird_pegasus": {"attention_type": "original_full"},
    "convbert": {"head_ratio": 2},
    "esm": {"pad_token_id": 1, "mask_token_id": 4},
    "fnet": {"use_tpu_fourier_optimizations": False},
    "funnel": {"block_sizes": [1, 1]},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "gptj": {"rotary_dim": 4},
    "led": {"attention_window": 8},
    "lilt": {"hidden_size": 48},
    "longformer": {"attention_window": [8, 8]},
    "luke": {"entity_vocab_size": 10, "entity_emb_size": 32},
    "mobilebert": {"intra_bottleneck_size": 32, "true_hidden_size": 32},
    "modernbert": {"global_attn_every_n_layers": 1},
    "mt5": {"decoder_start_token_id": 1},
    "nystromformer": {"segment_means_seq_len": 64, "num_landmarks": 64},
    "perceiver": {"d_latents": 32, "num_latents": 8, "num_self_attention_heads": 4, "num_cross_attention_heads": 4},
    "rembert": {"input_embedding_size": 32, "output_embedding_size": 32},
    "roc_bert": {"pronunciation_vocab_size": 9, "shape_vocab_size": 9}
    | dict.fromkeys(("enable_pronunciation", "enable_shape"), False),
    "squeezebert": dict.fromkeys(("q_groups", "k_groups", "v_groups", "post_attention_groups"), 1)
    | dict.fromkeys(("intermediate_groups", "output_groups"), 1),
    "t5": {"decoder_start_token_id": 1},
    "umt5": {"decoder_start_token_id": 1},
    "xmod": {"default_language": "en_XX", "languages": ["en_XX"]},
    "yoso": {"use_expectation": True},
}  # fmt: skip


def tokenizer() -> Any:
    """Whole words and letters, with the special tokens of RoBERTa."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    names = [*SPECIAL, *dict.fromkeys([*WORDS, *letters]), *(f"##{letter}" for letter in letters)]
    inner = Tokenizer(models.WordPiece({name: i for i, name in enumerate(names)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [("<s>", 0), ("</s>", 2)]
    inner.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=ends
    )
    named = ("bos", "pad", "eos", "unk", "mask")
    roles = {f"{role}_token": token for role, token in zip(named, SPECIAL, strict=True)}
    return PreTrainedTokenizerFast(tokenizer_object=inner, cls_token="<s>", sep_token="</s>", **roles)


def config_of(kind: str, size: int) -> Any:
    """The architecture's own defaults, but small."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    default = CONFIG_MAPPING[kind]()
    known = default.to_dict()
    values = {name: value for name, value in {**SHAPE, "vocab_size": size}.items() if name in known}
    for place, role in enumerate(("bos", "pad", "eos")):  # those of large vocabularies
        if isinstance(number := known.get(f"{role}_token_id"), int) and number >= size:
            values[f"{role}_token_id"] = place
    return CONFIG_MAPPING[kind](**{**values, **OWN.get(kind, {})})


def make(kind: str, task: str, folder: Path) -> str | None:
    """Write a random model of the architecture with the tokenizer; what keeps it from being made, if something does."""
    import torch
    import transformers

    from nlpkit.tasks import registry

    opener = getattr(transformers, registry.task_class(task).auto_class)
    made = tokenizer()
    torch.manual_seed(0)
    try:
        config = config_of(kind, len(made) + UNUSED)
        with torch.device("meta"):
            size = opener.from_config(config).num_parameters()
        if size > LARGEST:
            return f"not made: {size / 1e6:.0f} M parameters"
        opener.from_config(config).save_pretrained(folder)
    except Exception as error:  # of a library that is missing, or of a config that cannot be small
        return f"not made: {one_line(error)}"
    made.save_pretrained(folder)
    return None


def sentences(count: int, seed: int) -> list[str]:
    """Random words."""
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(4, 12))) for _ in range(count)]


def write_data(folder: Path) -> None:
    """Rows of each task, which can be learned."""
    import json

    for split, count, seed in (("train", 24, 1), ("validation", 12, 2)):
        texts = [f"{text} {('good', 'bad')[i % 2]}" for i, text in enumerate(sentences(count, seed))]
        answers = [{"text": [text.split()[-1]], "answer_start": [text.rindex(" ") + 1]} for text in texts]
        questions = [
            {"question": "good bad", "context": text, "answers": answer}
            for text, answer in zip(texts, answers, strict=True)
        ]
        files = {
            "text-classification": [{"text": t, "label": t.split()[-1]} for t in texts],
            "token-classification": [
                {"tokens": t.split(), "tags": ["B-GOOD" if word in GOOD else "O" for word in t.split()]} for t in texts
            ],
            "question-answering": questions,
            "fill-mask": [{"text": t} for t in texts],
        }
        for task, rows in files.items():
            (folder / task).mkdir(exist_ok=True)
            (folder / task / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def operations(task: str, model: Path, data: Path) -> dict[str, Callable[[], Any]]:
    """What is done, by name, in order; without a command to fine-tune for a task its model is taken as it is."""
    from nlpkit.recipes import distill, evaluate, finetune_cls, finetune_ner, finetune_qa, predict, prune, quantize

    recipes: dict[str, Any] = {
        "text-classification": finetune_cls,
        "token-classification": finetune_ner,
        "question-answering": finetune_qa,
    }
    recipe = recipes.get(task)
    run = model.parent / "run" if recipe else model
    rows: dict[str, Any] = {"data": str(data)}
    own: dict[str, Any] = {"max_length": 48, "doc_stride": 8} if task == "question-answering" else {}

    def new(name: str) -> dict[str, Any]:
        return {**rows, "output": model.parent / name, "measure_seconds": 0}

    def answers() -> None:
        asked: dict[str, Any] = {"context": "the very good film"} if task == "question-answering" else {}
        texts = ["good [MASK]", f"{sentences(1, 5)[0]} was [MASK]", "the film " * 60 + "[MASK]"]
        if task != "fill-mask":
            texts = [text.replace("[MASK]", "good") for text in texts]
        if asked:
            texts = texts[:2]
        together = _answers(predict, run, texts, asked)
        for text, beside in zip(texts, together, strict=True):
            (alone,) = _answers(predict, run, [text], asked)
            one, other = (answer["prediction_score"] or 0 for answer in (alone, beside))
            if abs(one - other) > 1e-5:
                raise ValueError(f"a score depends on the batch: {one} alone, {other} beside others")

    done: dict[str, Callable[[], Any]] = {}
    if recipe:
        done["finetune"] = lambda: recipe.run(recipe.Config(model=str(model), output=run, **rows, **BRIEF, **own))
    return done | {
        "evaluate": lambda: evaluate.run(evaluate.Config(model=str(run), save=False, **rows, **HERE)),
        "predict": answers,
        "distill": lambda: distill.run(distill.Config(teacher=str(run), student_size="tiny", **new("small"), **BRIEF)),
        "prune": lambda: prune.run(prune.Config(model=str(run), sparsity=0.5, **new("pruned"), **HERE)),
        "bf16": lambda: quantize.run(quantize.Config(model=str(run), to="bf16", **new("bf16"), **HERE)),
        "onnx-int8": lambda: quantize.run(quantize.Config(model=str(run), to="onnx-int8", **new("int8"), **HERE)),
    }


def _answers(predict: Any, run: Path, texts: list[str], asked: dict[str, Any]) -> list[dict[str, Any]]:
    config = predict.Config(model=str(run), texts=texts, **asked, **HERE)
    return list(predict.run(config).record["answers"])


def one_line(error: BaseException) -> str:
    """The kind of an error and the beginning of what it says."""
    said = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {said[0]}"[:160]


def tried(kind: str, task: str, wanted: list[str], data: Path, place: Path) -> dict[str, str]:
    """What came of each operation."""
    from nlpkit.errors import NlpkitError

    if (why := make(kind, task, place / "model")) is not None:
        return {"model": why}
    found: dict[str, str] = {}
    for name, act in operations(task, place / "model", data).items():
        if name not in wanted and name != "finetune":
            continue
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                act()
            found[name] = "ok"
        except NlpkitError as error:
            found[name] = f"refused: {error.message}"
        except Exception as error:  # which is what is looked for
            found[name] = f"FAILED {one_line(error)}"
        if name == "finetune" and found[name] != "ok":
            break
    return found


def main() -> None:
    """Go through the architectures; one line each, and what is not ok below it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=list(HEADS), default="text-classification")
    parser.add_argument("--only", help="model types, with commas between; all by default")
    parser.add_argument("--operations", default=",".join(OPERATIONS), help="with commas between; onnx-int8 is one too")
    options = parser.parse_args()
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    warnings.filterwarnings("ignore")
    from transformers.models.auto import modeling_auto

    from nlpkit import process

    process.apply(verbose=False)
    process.silence_transformers()
    kinds = sorted(getattr(modeling_auto, f"MODEL_FOR_{HEADS[options.task]}_MAPPING_NAMES"))
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NLPKIT_CACHE"] = f"{folder}/cache"
        write_data(Path(folder))
        for kind in options.only.split(",") if options.only else kinds:
            place = Path(folder) / "work"
            found = tried(kind, options.task, options.operations.split(","), Path(folder) / options.task, place)
            shutil.rmtree(place, ignore_errors=True)
            print(
                f"{kind:24}", "  ".join(f"{name} {said.partition(' ')[0].rstrip(':')}" for name, said in found.items())
            )
            for name, said in found.items():
                if said != "ok":
                    print(f"    {name}: {said}")
            failed += any(said.startswith("FAILED") for said in found.values())
            sys.stdout.flush()
    print(f"{failed} with a failure")


if __name__ == "__main__":
    main()
