"""The least that answers an image over HTTP: FastAPI, Pillow, a session; what `start.py` compares with."""

from __future__ import annotations

import io
import os
import sys

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI, Request
from PIL import Image

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], sess_options=options, providers=["CPUExecutionProvider"])
app = FastAPI()


@app.post("/predict")
async def predict(request: Request) -> dict[str, float]:
    """Answers the best class."""
    image = Image.open(io.BytesIO(await request.body())).convert("RGB")
    (probabilities,) = session.run(None, {session.get_inputs()[0].name: np.asarray(image)[None]})
    best = int(probabilities[0].argmax())
    return {"class_id": best, "probability": float(probabilities[0][best])}


uvicorn.run(app, host="127.0.0.1", port=int(os.environ["IMGCLS_PORT"]), log_level="error")
