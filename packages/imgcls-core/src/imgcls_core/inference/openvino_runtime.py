"""The only module that imports OpenVINO: compiles an artifact's network, with a precision that is always said."""

from __future__ import annotations

import sys
from collections import deque
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from imgcls_core.artifact.metadata import INPUT_NAME, NETWORK_INPUT, ArtifactMetadata
from imgcls_core.artifact.preprocessing import Preprocessing
from imgcls_core.cpus import allotted_cpus
from imgcls_core.errors import InferenceError, ProviderUnavailableError
from imgcls_core.images.decode import PILLOW_MAX_PIXELS, DecodeLimits
from imgcls_core.images.preprocess import ImagePreprocessor, crop_start

_INSTALL: Final = "OpenVINO is not installed; `pip install 'imgcls-core[openvino]'` brings it"
_BF16: Final = "bf16"
# A package that sends a message at its import, and one that is imported for tools and imports that.
_LEFT_OUT: Final = ("openvino_telemetry", "openvino.tools.ovc")


def import_openvino() -> ModuleType:
    """Imports OpenVINO without its telemetry, which would leave files in the home folder and report each import.

    Raises:
        ProviderUnavailableError: it is not installed, or cannot be loaded.
    """
    if find_spec("openvino") is None:
        raise ProviderUnavailableError("openvino", _INSTALL)
    modules = cast("dict[str, ModuleType | None]", sys.modules)
    left_out = [name for name in _LEFT_OUT if name not in modules]
    modules.update(dict.fromkeys(left_out))  # what is None there raises the ImportError that OpenVINO expects
    try:
        import openvino  # noqa: PLC0415 - costs 100 ms and more, and is an extra
    except ImportError as error:
        raise ProviderUnavailableError("openvino", f"OpenVINO cannot be loaded ({error})") from error
    finally:
        for name in left_out:
            modules.pop(name, None)
    return openvino


class OpenVinoRuntime:
    """One artifact's network, compiled by OpenVINO for the CPU.

    OpenVINO's own resize is not Pillow's, so the graph is cut behind the resize and the crop, which core does bit for
    bit as the graph would; channels, range, mean and std stay the graph's.

    Args:
        path: the .onnx file.
        metadata: what it says of itself.
        provider: "openvino", which calculates as the artifact does (int8 stays int8, all else is float32), or one of
            "openvino-fp32", "openvino-int8", "openvino-bf16", "openvino-int8-bf16", which is refused where the artifact
            or the processor does not give it.
        threads: processors for one call; None takes all that this process may use.
        reason: one clause that says why it was taken.

    Raises:
        ProviderUnavailableError: not installed, another precision than asked for, or a graph that cannot be built.
    """

    def __init__(
        self,
        path: Path,
        metadata: ArtifactMetadata,
        *,
        provider: str = "openvino",
        threads: int | None = None,
        reason: str = "asked for",
    ) -> None:
        openvino = import_openvino()
        self._spec = metadata.preprocessing
        self._shrink = ImagePreprocessor(self._spec, DecodeLimits(max_pixels=PILLOW_MAX_PIXELS)).shrink
        core = openvino.Core()
        self.provider, hint = _precision(core, provider, metadata)
        self.provider_reason = reason
        cpus = allotted_cpus()
        threads = min(threads or cpus, cpus)
        options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": hint,  # by itself it takes bf16 wherever the processor has it
            "EXECUTION_MODE_HINT": "PERFORMANCE" if hint == _BF16 else "ACCURACY",
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": max(1, cpus // threads),  # so many calls at a time
            "INFERENCE_NUM_THREADS": threads * max(1, cpus // threads),
            "ENABLE_CPU_PINNING": False,  # two processes would share the same cores and leave others idle
        }
        try:
            self._compiled = core.compile_model(_network(openvino, core, path, self._spec), "CPU", options)
            self.classes = int(self._compiled.output(0).get_partial_shape()[1].get_length())
        except (RuntimeError, StopIteration) as error:
            cause = " ".join(str(error).split())[:300] or f"its graph names no {NETWORK_INPUT!r}"
            raise ProviderUnavailableError(provider, f"OpenVINO cannot build {str(path)!r} ({cause})") from error
        self._idle: deque[Any] = deque()

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Answers a batch: RGB uint8 [N, H, W, 3], N at least 1 → probabilities float32 [N, classes].

        Raises:
            InferenceError: OpenVINO failed.
        """
        pixels = self._cropped(images)
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        try:
            answer = request.infer({0: pixels}, share_inputs=True)[0]
        except RuntimeError as error:
            raise InferenceError(" ".join(str(error).split())[:500]) from error
        self._idle.append(request)
        return answer

    def _cropped(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Gives what the graph has behind its resize and crop: uint8 [N, 3, height, width]."""
        native, size, crop = self._spec.native_size, self._spec.size, self._spec.crop or "center"
        if images.shape[1:3] != native:
            images = np.stack([self._shrink(pixels) for pixels in images])
        top, left = (crop_start(whole, part, crop) for whole, part in zip(native, size, strict=True))
        cropped = images[:, top : top + size[0], left : left + size[1]]
        return np.ascontiguousarray(cropped.transpose(0, 3, 1, 2))  # [N, h, w, 3] → [N, 3, h, w]


def _precision(core: Any, provider: str, metadata: ArtifactMetadata) -> tuple[str, str]:  # noqa: ANN401 - OpenVINO's
    """Gives the provider's name with the precision in it, and OpenVINO's hint."""
    own = "int8" if metadata.source.precision == "int8" else "fp32"
    names = {f"openvino-{own}": "f32", "openvino-bf16" if own == "fp32" else "openvino-int8-bf16": _BF16}
    name = f"openvino-{own}" if provider == "openvino" else provider
    if name not in names:
        raise ProviderUnavailableError(
            provider, f"the artifact is {metadata.source.precision}, which can run as {' or '.join(names)}"
        )
    if names[name] == _BF16 and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise ProviderUnavailableError(provider, "this processor has no bf16; name 'openvino'")
    return name, names[name]


def _network(openvino: ModuleType, core: Any, path: Path, spec: Preprocessing) -> Any:  # noqa: ANN401 - OpenVINO's
    """Gives the artifact's graph from behind the resize on: uint8 [N, 3, height, width] → probabilities.

    Raises:
        StopIteration: it has no tensor of the network's input, or nothing is resized before that.
    """
    whole = core.read_model(str(path))
    outputs = (output for node in whole.get_ops() for output in node.outputs())
    source = next(output for output in outputs if NETWORK_INPUT in output.get_names())
    while source.get_node().get_type_name() != "If":  # native pixels, or resized ones
        source = next(iter(source.get_node().input_values()))
    pixels = openvino.op.Parameter(openvino.Type.u8, openvino.PartialShape([-1, 3, *spec.size]))
    pixels.set_friendly_name(INPUT_NAME)
    source.replace(pixels.output(0))
    return openvino.Model(whole.get_results(), [pixels])
