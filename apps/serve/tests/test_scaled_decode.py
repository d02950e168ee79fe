"""An artifact that declares scaled decoding gets it, whatever form a large JPEG is sent in."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from imgcls_core import ImagePreprocessor, OnnxClassifier
from imgcls_core.artifact.seal import sealed_artifact
from msgspec.structs import replace
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import StartService


def _large_jpeg(mode: str, **options: object) -> bytes:
    """Gives 700 × 500 px with grain in every pixel."""
    dice = np.random.default_rng(5)
    few = Image.fromarray(dice.integers(0, 256, (5, 7, 3), dtype=np.uint8)).resize((700, 500))
    grain = (np.asarray(few) + dice.integers(-90, 91, (500, 700, 1))).clip(0, 255).astype(np.uint8)
    Image.fromarray(grain).convert(mode).save(buffer := io.BytesIO(), "JPEG", quality=90, **options)
    return buffer.getvalue()


def _on_its_side() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def test_every_form_is_answered_as_the_artifact_declares(
    start_service: StartService, colours_path: Path, tmp_path: Path
) -> None:
    whole = OnnxClassifier(colours_path, provider="cpu")
    declared = replace(whole.metadata.preprocessing, decode="scaled")
    path = tmp_path / "scaled.onnx"
    # Without golden cases: a large one was answered when it was decoded whole.
    metadata = replace(whole.metadata, preprocessing=declared, golden=(), parity=None)
    path.write_bytes(sealed_artifact(colours_path.read_bytes(), metadata))
    classifier = OnnxClassifier(path, provider="cpu")
    with start_service(model=path) as service:
        listed = service.client.get("/models").json()["models"][0]
        assert listed["decode"] == "scaled"

        def ask(route: str, **sent: Any) -> dict[str, Any]:
            return service.client.post(route, params={"probabilities": True}, **sent).raise_for_status().json()

        for encoded in (
            _large_jpeg("RGB"),
            _large_jpeg("L", progressive=True),
            _large_jpeg("CMYK"),
            _large_jpeg("RGB", exif=_on_its_side()),
        ):
            text = base64.b64encode(encoded).decode()
            tensor = {"name": "encoded_images", "shape": [1], "datatype": "BYTES", "data": [text]}
            seen = {
                "raw": ask("/predict", content=encoded, headers={"content-type": "image/jpeg"})["probabilities"],
                "form": ask("/predict", files={"file": ("x.jpg", encoded)})["probabilities"],
                "JSON": ask("/predict", json={"image_base64": text})["probabilities"],
                "batch": ask("/predict/batch", files=[("file", ("x.jpg", encoded))])["results"][0]["probabilities"],
                "v2": ask(f"/v2/models/{listed['name']}/infer", json={"inputs": [tensor]})["outputs"][0]["data"],
            }
            expected = classifier.predict(encoded)[0]
            assert not np.array_equal(
                ImagePreprocessor(declared)(encoded), ImagePreprocessor(whole.metadata.preprocessing)(encoded)
            )
            assert np.abs(expected - whole.predict(encoded)[0]).max() > 1e-5
            assert seen == {name: pytest.approx(expected.tolist(), abs=1e-6) for name in seen}
