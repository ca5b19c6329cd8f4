"""How a model is asked without nlpkit: lines of Python for model cards, see `View.transformers_code`.

Each of them is run by a test, from within the folder of a run.
"""

from __future__ import annotations

from collections.abc import Sequence

EXAMPLE = '"Your text here."'  # as it is written in Python


def pipeline_code(task: str, call: Sequence[str], *, settings: str = "") -> list[str]:
    """A model behind a `pipeline` of Transformers.

    Args:
        task: what Transformers calls it.
        call: lines that use the pipeline `model`.
        settings: further arguments of `pipeline`.
    """
    return [
        "from transformers import pipeline",
        "",
        f'model = pipeline("{task}", model="."{settings})',
        *call,
    ]


def onnx_code(file: str, tokenized: str, answer: Sequence[str], *, imports: Sequence[str] = ()) -> list[str]:
    """A model in ONNX Runtime.

    Args:
        file: of the graph, in the folder.
        tokenized: the arguments of the tokenizer's call, without `return_tensors`.
        answer: lines that make an answer of `outputs`, a list of arrays.
        imports: lines that the answer needs.
    """
    return [
        *imports,
        "from onnxruntime import InferenceSession",
        "from transformers import AutoConfig, AutoTokenizer",
        "",
        'config, tokenizer = AutoConfig.from_pretrained("."), AutoTokenizer.from_pretrained(".")',
        f'session = InferenceSession("{file}")',
        f'tokens = tokenizer({tokenized}, return_tensors="np")',
        'inputs = {value.name: tokens[value.name].astype("int64") for value in session.get_inputs()}',
        "outputs = session.run(None, inputs)",
        *answer,
    ]


def onnx_writing_code(file: str, prompt: str, *, tokens: int = 50) -> list[str]:
    """A model that writes in ONNX Runtime, whose graph has a cache: the likeliest token each time.

    Args:
        file: of the graph, in the folder.
        prompt: as it is written in Python.
        tokens: that are written at most.
    """
    return [
        "import numpy as np",
        "from onnxruntime import InferenceSession",
        "from transformers import AutoTokenizer",
        "",
        'tokenizer = AutoTokenizer.from_pretrained(".")',
        f'session = InferenceSession("{file}")',
        "shapes = {value.name: value.shape for value in session.get_inputs()}",
        'past = [name for name in shapes if name.startswith("past_key_values.")]',
        "cache = {name: np.zeros((1, shapes[name][1], 0, shapes[name][3]), np.float32) for name in past}",
        f'ids = tokenizer({prompt}, return_tensors="np")["input_ids"].astype("int64")',
        "new, length = ids, ids.shape[1]",
        f"for _ in range({tokens}):",
        '    inputs = {"input_ids": new, "attention_mask": np.ones((1, length), "int64"), **cache}',
        '    inputs["position_ids"] = np.arange(length - new.shape[1], length)[None]',
        '    inputs["num_logits_to_keep"] = np.array(1)',
        "    logits, *present = session.run(None, {name: inputs[name] for name in shapes})",
        "    cache, length = dict(zip(past, present)), length + 1",
        "    new = logits[:, -1:].argmax(-1)",
        "    ids = np.concatenate([ids, new], 1)",
        "    if new[0, 0] == tokenizer.eos_token_id:",
        "        break",
        "print(tokenizer.decode(ids[0], skip_special_tokens=True))",
    ]


def onnx_answering_code(encoder: str, decoder: str, text: str, *, tokens: int = 50) -> list[str]:
    """A model with an encoder and a decoder in ONNX Runtime: the likeliest token each time.

    Args:
        encoder, decoder: files of the graphs, in the folder.
        text: as it is written in Python.
        tokens: that are written at most.
    """
    return [
        "import numpy as np",
        "from onnxruntime import InferenceSession",
        "from transformers import AutoTokenizer, GenerationConfig",
        "",
        'config, tokenizer = GenerationConfig.from_pretrained("."), AutoTokenizer.from_pretrained(".")',
        f'encoder, decoder = InferenceSession("{encoder}"), InferenceSession("{decoder}")',
        f'tokens = tokenizer({text}, return_tensors="np")',
        'read = {name: tokens[name].astype("int64") for name in ("input_ids", "attention_mask")}',
        'given = {"attention_mask": read["attention_mask"]}',
        "for value, states in zip(encoder.get_outputs(), encoder.run(None, read)):",
        '    given[value.name.replace("present", "past_key_values")] = states',
        "shapes = {value.name: value.shape for value in decoder.get_inputs()}",
        'past = [name for name in shapes if ".decoder." in name]',
        "given |= {name: np.zeros((1, shapes[name][1], 0, shapes[name][3]), np.float32) for name in past}",
        "written = [config.decoder_start_token_id]",
        f"while len(written) <= {tokens} and (len(written) == 1 or written[-1] != tokenizer.eos_token_id):",
        '    logits, *present = decoder.run(None, {**given, "decoder_input_ids": np.array([written[-1:]])})',
        "    given |= dict(zip(past, present))",
        "    written.append(int(logits[0, -1].argmax()))",
        "print(tokenizer.decode(written, skip_special_tokens=True))",
    ]
