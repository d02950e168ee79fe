"""LitServe: a worker process for each processor, images as a form's file, no batches (they are slower on a CPU)."""

from __future__ import annotations

from typing import Any

import litserve
from answering import CPUS, PORT, Answering


class ClassifierAPI(litserve.LitAPI):
    """One image in, five classes out."""

    def setup(self, device: str) -> None:
        """Loads the network in the worker."""
        self.answering = Answering()

    def decode_request(self, request) -> bytes:  # noqa: ANN001 - an annotation would choose how bodies are read
        """Takes the image out of the form."""
        return request["image"].file.read()

    def predict(self, image: bytes) -> dict[str, Any]:
        """Decodes and answers."""
        return self.answering(image)

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """Gives the answer as it is."""
        return output


if __name__ == "__main__":
    server = litserve.LitServer(ClassifierAPI(), accelerator="cpu", workers_per_device=CPUS, fast_queue=True)
    server.run(host="127.0.0.1", port=PORT, generate_client_file=False, log_level="warning", access_log=False)
