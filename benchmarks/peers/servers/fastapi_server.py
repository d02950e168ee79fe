"""A plain FastAPI endpoint: a `def` on Starlette's threads, and uvicorn with a worker for each processor."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import uvicorn
from answering import CPUS, PORT, Answering
from fastapi import Body, FastAPI, Request


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Loads the network in each worker."""
    app.state.answering = Answering()
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/predict")
def predict(request: Request, image: Annotated[bytes, Body(media_type="image/jpeg")]) -> dict[str, Any]:
    """Answers one image, sent as it is."""
    return request.app.state.answering(image)


if __name__ == "__main__":
    # A worker that does not answer its parent in time is started again: on a busy machine it would never be ready.
    options = {"access_log": False, "log_level": "warning", "timeout_worker_healthcheck": 120}
    uvicorn.run("fastapi_server:app", port=PORT, workers=CPUS, **options)
