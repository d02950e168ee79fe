"""`_imgcls/run.json`: what an OUTPUT is the answer to. Written once, when the manifest is complete; never changed."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from imgcls_core import ReferenceDistribution
from msgspec import Meta, Struct

from imgcls_batch.errors import OtherRunError, OutputUnreachableError
from imgcls_batch.output.objects import OutputObjects

RUN_FILE: Final = "_imgcls/run.json"

VectorType = Literal["none", "float16", "float32"]


class RowOptions(Struct, frozen=True):
    """What decides what a row says, besides the image and the artifact.

    Args:
        top_k: how many classes `top` names; no more than the artifact has.
        probabilities: whether the row has the probability of every class, and as what.
        max_image_bytes: above it an image is refused.
        max_image_pixels: above it an image is refused.
    """

    top_k: int
    probabilities: VectorType
    max_image_bytes: int
    max_image_pixels: int


class ArtifactId(Struct, frozen=True):
    """Which artifact answers; `reference` is how it answered when it was evaluated, where somebody measured that."""

    name: str
    sha256: str
    classes: tuple[str, ...]
    reference: ReferenceDistribution | None = None
    precision: str | None = None


class ManifestId(Struct, frozen=True):
    """Which images are asked about, and how they are cut into shards.

    Args:
        folder: of its parts, relative to OUTPUT.
        images: how many.
        shard_size: images in a shard; the last may have fewer.
        shards_per_part: shards (row groups) in one Parquet file of the manifest.
        sha256: over the parts in order.
    """

    folder: str
    images: Annotated[int, Meta(ge=1)]
    shard_size: Annotated[int, Meta(ge=1)]
    shards_per_part: Annotated[int, Meta(ge=1)]
    sha256: str

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return -(-self.images // self.shard_size)

    def size_of(self, shard: int) -> int:
        """Gives the number of images in a shard."""
        return min(self.shard_size, self.images - shard * self.shard_size)


class RunDocument(Struct, frozen=True):
    """What an OUTPUT is the answer to; `machine` and `versions` are of the command that began it."""

    source: str
    column: str | None
    artifact: ArtifactId
    options: RowOptions
    manifest: ManifestId
    started: str
    machine: str = ""
    versions: str = ""
    schema: Literal[1] = 1

    def shard_name(self, shard: int) -> str:
        """Gives the name of a shard's object; it depends on the shard and the artifact alone."""
        return f"shard-{shard:08d}-{self.artifact.sha256[:16]}.parquet"

    def finished_shards(self, output: OutputObjects) -> set[int]:
        """Lists OUTPUT for the shards that are there."""
        end = f"-{self.artifact.sha256[:16]}.parquet"
        return {int(name[6:14]) for name in output.names("") if name.startswith("shard-") and name.endswith(end)}

    def check_same(self, other: RunDocument, url: str) -> None:
        """Raises if another run wants to write where this one does.

        Raises:
            OtherRunError: names what differs.
        """
        pairs = [
            (
                "--model",
                f"{self.artifact.name} {self.artifact.sha256[:16]}",
                f"{other.artifact.name} {other.artifact.sha256[:16]}",
            ),
            ("SOURCE", self.source, other.source),
            ("--column", self.column, other.column),
            *(
                (f"--{name.replace('_', '-')}", getattr(self.options, name), getattr(other.options, name))
                for name in RowOptions.__struct_fields__
            ),
        ]
        for name, expected, actual in pairs:
            if expected != actual:
                raise OtherRunError(
                    f"OUTPUT {url!r} was begun with {name} {expected} and cannot go on with {actual}; rows of two "
                    "kinds would stand side by side. Go on with the same command, or name another OUTPUT."
                )


def read_run(output: OutputObjects) -> RunDocument | None:
    """Reads the document of an OUTPUT; None where no run has begun.

    Raises:
        OutputUnreachableError: it cannot be read.
    """
    content = output.read(RUN_FILE)
    if content is None:
        return None
    try:
        return msgspec.json.decode(content, type=RunDocument)
    except msgspec.DecodeError as error:
        raise OutputUnreachableError(
            f"{output.url}/{RUN_FILE} is not one that this version of imgcls-batch reads: {error}."
        ) from error


def write_run(output: OutputObjects, document: RunDocument) -> RunDocument:
    """Declares a run begun; gives what stands there, which is another's where one was faster."""
    content = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
    if output.create(RUN_FILE, content):
        return document
    return read_run(output) or document
