"""The services that `serve.py` sets beside nlpkit's, as their documentation and textbooks write them.

    python services.py KIND RUN PORT

KIND `pipeline`: FastAPI, and a pipeline of transformers that a `def` endpoint calls for each request;
`pipeline-async`: an `async def` endpoint; `onnx`: FastAPI, a tokenizer and an ONNX Runtime session.
`litserve_service.py` has the same models behind LitServe. All answer `{"text": ...}` at /predict.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

LENGTH = 512  # tokens that are read of a text, as nlpkit reads them


def pipeline(run: str) -> Any:
    """Texts to answers by transformers, one after the other."""
    import transformers

    asked = transformers.pipeline("text-classification", model=run)

    def answers(texts: list[str]) -> list[dict[str, Any]]:
        return [dict(one) for one in asked(texts, batch_size=len(texts), truncation=True, max_length=LENGTH)]

    return answers


def onnx(run: str) -> Any:
    """Texts to answers by ONNX Runtime, all in one call."""
    import numpy as np
    import onnxruntime
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(run)
    labels = transformers.AutoConfig.from_pretrained(run).id2label
    session = onnxruntime.InferenceSession(str(Path(run) / "model.onnx"), providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_inputs()]

    def answers(texts: list[str]) -> list[dict[str, Any]]:
        made = tokenizer(texts, padding=True, truncation=True, max_length=LENGTH, return_tensors="np")
        (logits,) = session.run(["logits"], {name: made[name] for name in names})
        shares = np.exp(logits - logits.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        best = logits.argmax(-1)
        return [{"label": labels[int(k)], "score": float(row[k])} for k, row in zip(best, shares, strict=True)]

    return answers


def fastapi_service(answers: Any, port: int, *, asynchronous: bool) -> None:
    """One text, one call of the model."""
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel

    class Request(BaseModel):
        text: str

    app = FastAPI()

    def predict(request: Request) -> dict[str, Any]:
        return answers([request.text])[0]

    async def predict_in_loop(request: Request) -> dict[str, Any]:
        return answers([request.text])[0]

    predict.__annotations__["request"] = predict_in_loop.__annotations__["request"] = Request
    app.post("/predict")(predict_in_loop if asynchronous else predict)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


def main() -> None:
    """Serve until the process is ended."""
    kind, run, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    opened = onnx if kind == "onnx" else pipeline
    fastapi_service(opened(run), port, asynchronous=kind == "pipeline-async")


if __name__ == "__main__":
    main()
