"""Ray Serve: a replica for each processor, images sent as they are, no batches (they are slower on a CPU)."""

from __future__ import annotations

import signal
from typing import Any

import ray
from answering import CPUS, PORT, Answering
from ray import serve
from starlette.requests import Request


@serve.deployment(num_replicas=CPUS, ray_actor_options={"num_cpus": 1}, max_ongoing_requests=64)
class Classifier:
    """One image in, five classes out."""

    def __init__(self) -> None:
        self.answering = Answering()

    async def __call__(self, request: Request) -> dict[str, Any]:
        """Answers one image."""
        return self.answering(await request.body())


if __name__ == "__main__":
    # Blocked before threads are made, so that the main thread alone takes it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    ray.init(num_cpus=CPUS, include_dashboard=False, log_to_driver=False)
    quiet = {"enable_access_log": False}
    serve.start(http_options={"host": "127.0.0.1", "port": PORT}, logging_config=quiet)
    serve.run(Classifier.bind(), route_prefix="/predict", logging_config=quiet)
    signal.sigwait({signal.SIGTERM})
    serve.shutdown()
    ray.shutdown()
