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
