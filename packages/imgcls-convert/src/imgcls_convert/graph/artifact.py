"""The artifact's file: preprocessing before the network, metadata in the model, written all at once or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import onnx
from imgcls_core.artifact import INPUT_NAME, OUTPUT_NAME, ArtifactMetadata, Preprocessing
from imgcls_core.artifact.seal import sealed_artifact
from imgcls_networks.exception_text import one_line
from onnx import ModelProto, TensorProto, helper

from imgcls_convert.errors import ConversionError, ExportError
from imgcls_convert.graph.export import IR_VERSION, OPSET
from imgcls_convert.graph.preprocess import preprocess_nodes

_PROTOBUF_LIMIT_BYTES: Final = 2_000_000_000


def write_artifact(
    path: Path,
    network: ModelProto,
    metadata: ArtifactMetadata,
    admit: Callable[[Path, ArtifactMetadata], ArtifactMetadata] | None,
) -> ArtifactMetadata:
    """Writes one artifact; the same arguments give the same bytes.

    Args:
        path: of an unfinished file.
        network: from `NETWORK_INPUT`, float32 [N, 3, height, width], to probabilities.
        metadata: its preprocessing becomes part of the graph.
        admit: judges the file when it is there, and gives the metadata that it deserves; None lets it stand unproven.

    Returns:
        What the artifact says of itself in the end.

    Raises:
        ExportError: the whole is not valid ONNX.
        ConversionError: beyond protobuf's 2 GB, which one self-contained file cannot exceed; and what `admit` raises.
    """
    graph = _assemble(network, metadata.preprocessing, len(metadata.classes))

    def write(said: ArtifactMetadata) -> ArtifactMetadata:
        path.write_bytes(sealed_artifact(graph, said))
        return said

    write(metadata)
    return metadata if admit is None else write(admit(path, metadata))


@contextmanager
def scratch_folder(output: Path) -> Generator[Path]:
    """Gives a folder beside the output for unfinished files; it is gone afterwards, whatever happens.

    Raises:
        ConversionError: the disk is full or the place is gone.
    """
    made = [folder for folder in (output.parent, *output.parent.parents) if not folder.exists()]
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{output.stem}-", dir=output.parent) as folder:
            yield Path(folder)
    except OSError as error:
        raise ConversionError(
            f"{str(output)!r} cannot be written: {error.strerror or error}. Nothing is left behind."
        ) from error
    finally:
        for folder in made:
            try:
                folder.rmdir()
            except OSError:
                break


def _assemble(network: ModelProto, preprocessing: Preprocessing, classes: int) -> bytes:
    """Puts the preprocessing before a network.

    Returns:
        A checked model, serialised: `images` uint8 [N, H, W, 3] → `probabilities` float32 [N, classes].
    """
    graph = network.graph
    opset = max([OPSET, *(entry.version for entry in network.opset_import if not entry.domain)])
    nodes, constants = preprocess_nodes(preprocessing)
    # The network's input is the preprocessing's output already, so its nodes only have to stand before the network's.
    whole = helper.make_graph(
        [*nodes, *graph.node],
        "imgcls",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, ["N", "H", "W", 3])],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["N", classes])],
        [*constants, *graph.initializer],
    )
    artifact = helper.make_model(
        whole, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION, producer_name="imgcls-convert"
    )
    artifact.model_version = 1
    try:
        onnx.checker.check_model(artifact, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"The exported graph is not valid ONNX: {one_line(error)}.") from error
    if (size := artifact.ByteSize()) > _PROTOBUF_LIMIT_BYTES:
        raise ConversionError(
            f"The artifact would have {size / 1e9:.1f} GB; one ONNX file holds at most 2 GB. Convert a smaller network."
        )
    return artifact.SerializeToString(deterministic=True)
