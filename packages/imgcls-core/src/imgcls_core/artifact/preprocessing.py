"""What becomes of an image before the network, as data; the graph and `images` do it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

# Pillow's filters, by the name that Pillow, torchvision and timm give them; all but nearest widen when they shrink.
Interpolation = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]

# Where the middle of an odd remainder lies: torchvision rounds halves to the even number, transformers down.
Crop = Literal["center", "center_floor"]

# What black and white are for a network before its mean is subtracted.
PixelRange = Literal["0..1", "0..255"]
Channels = Literal["rgb", "bgr"]

# Whether a large JPEG is decoded whole, or at 1/2, 1/4 or 1/8 of its size.
Decode = Literal["exact", "scaled"]
_LEAST_SHARE = 2  # of what an image is resized to, that a JPEG decoded at a reduced scale still has

_Side = Annotated[int, Meta(ge=1, le=16_384)]
_Level = Annotated[int, Meta(ge=0, le=255)]


class Preprocessing(Struct, frozen=True, omit_defaults=True):
    """From an RGB image of any size to the network's input, as torchvision does it on a PIL image.

    Args:
        size: height and width of the network's input, in pixels.
        resize_mode: "squash" resizes to `size` whatever the aspect, or to the square of `resize_size` before a crop;
            "shortest_edge" resizes the shorter edge to `resize_size`; "letterbox" makes the image as large as fits into
            `size`, centred on `pad_color`, as Pillow's `ImageOps.pad`.
        resize_size: the shorter edge (or the square's side) after the resize, in pixels; None where nothing is cropped.
        crop: takes the middle of `size` after the resize; always with "shortest_edge", never with "letterbox".
        interpolation: filter of the resize.
        mean: per channel in the order of `channels`, in the range of `range`.
        std: per channel in the order of `channels`, in the range of `range`.
        pillow: the Pillow version whose pixels the graph reproduces.
        range: "0..1" divides the levels of a pixel by 255 before mean and std, "0..255" takes them as they are.
        channels: in which order the network takes them. Images are RGB everywhere; the graph exchanges the channels.
        pad_color: R, G, B from 0 to 255, with "letterbox" alone.
        decode: "scaled" has a JPEG decoded at 1/8, 1/4 or 1/2, the smallest at which neither side falls below
            `least_decoded_size`; libjpeg does it (Pillow's `Image.draft`), whatever the JPEG's colours. What is decoded
            is then treated as any image. Images of other formats, and pixels, are taken whole.
    """

    size: tuple[_Side, _Side]
    resize_mode: Literal["squash", "shortest_edge", "letterbox"]
    resize_size: _Side | None
    crop: Crop | None
    interpolation: Interpolation
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    pillow: str
    range: PixelRange = "0..1"
    channels: Channels = "rgb"
    pad_color: tuple[_Level, _Level, _Level] | None = None
    decode: Decode = "exact"

    def __post_init__(self) -> None:
        if min(self.std) <= 0:
            raise ValueError(f"std is {self.std}; every channel must be above 0")
        if (self.pad_color is None) == (self.resize_mode == "letterbox"):
            raise ValueError(f"resize_mode {self.resize_mode!r} and pad_color {self.pad_color} contradict each other")
        crops = self.resize_size is not None or self.crop is not None
        if self.resize_mode == "letterbox" and crops:
            raise ValueError("resize_mode 'letterbox' takes neither resize_size nor crop")
        if not crops and self.resize_mode != "shortest_edge":
            return
        if self.resize_size is None or self.crop is None or self.resize_size < max(self.size):
            raise ValueError(
                f"resize_mode {self.resize_mode!r} needs crop 'center' and a resize_size of at least "
                f"{max(self.size)} px{', or neither' * (self.resize_mode == 'squash')}, found {self.resize_size}"
            )

    @property
    def native_size(self) -> tuple[int, int]:
        """Height and width in pixels of images that pass the graph's resize unchanged.

        The network's size where nothing is cropped, else the square of `resize_size`: an original that happens to have
        the network's size is still enlarged first, as torchvision does.
        """
        return (self.resize_size, self.resize_size) if self.resize_size is not None else self.size

    def least_decoded_size(self, width: int, height: int) -> tuple[int, int]:
        """Gives the width and height below which no image may be decoded: twice what it is resized to, before a crop.

        Args:
            width: of the image as it is, upright, in pixels.
            height: likewise.
        """
        if self.resize_mode == "squash":
            resized_h, resized_w = self.native_size
        else:
            # Of a letterbox the side that touches its frame decides, else the shorter one; the other follows it.
            edge_h, edge_w = self.native_size
            by_width = width * edge_h >= height * edge_w if self.resize_size is None else width <= height
            kept, edge = (width, edge_w) if by_width else (height, edge_h)
            resized_w, resized_h = (-(-side * edge // kept) for side in (width, height))
        return _LEAST_SHARE * resized_w, _LEAST_SHARE * resized_h
