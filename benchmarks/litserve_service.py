"""A model behind the batches of LitServe, as its documentation writes it: one worker, which is its default.

    python litserve_service.py pipeline|onnx RUN PORT

A batch is what waits, up to 32 texts. To wait for more (`batch_timeout`, 0 by default; 2, 5 and 10 ms were tried) made
it slower at every rate. The answers are those of `services.py`.
"""

import sys
from typing import Any

import litserve
import services

BATCH = 32


class Api(litserve.LitAPI):
    """Texts in, labels out; it is made anew in the process of the worker."""

    def __init__(self, kind: str, run: str) -> None:
        super().__init__(max_batch_size=BATCH)
        self.kind, self.run = kind, run

    def setup(self, device: str) -> None:
        self.answers = (services.onnx if self.kind == "onnx" else services.pipeline)(self.run)

    # LitServe takes an annotation of what it is given for a model of pydantic
    def decode_request(self, request) -> Any:  # noqa: ANN001
        return request["text"]

    def predict(self, texts: list[str]) -> Any:
        return self.answers(texts)

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


def main() -> None:
    """Serve until the process is ended."""
    kind, run, port = sys.argv[1:]
    server = litserve.LitServer(Api(kind, run), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(port), log_level="warning", generate_client_file=False)


if __name__ == "__main__":
    main()
