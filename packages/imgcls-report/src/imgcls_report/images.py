"""Images inside the page: encoded bytes go in as they are; whoever calls makes them small."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from imgcls_report.templates import fill

if TYPE_CHECKING:
    from markupsafe import Markup

_SIGNATURES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "image/webp"),
)


@dataclass(frozen=True, slots=True)
class Card:
    """An image with what there is to say of it.

    Args:
        name: of the image; shown in bold, and said to those who cannot see it.
        image: encoded as WebP, PNG, JPEG or GIF; None where there is none.
        texts: lines below the name.
    """

    name: str
    image: bytes | None
    texts: Sequence[str | Markup] = ()


def cards(
    shown: Iterable[Card], *, size: Literal["large", "small", "row"] = "large", note: str = "", are_named: bool = True
) -> Markup:
    """Lays cards out as a grid.

    Args:
        shown: in order.
        size: how much room each takes; "row" sets images of one height beside each other.
        note: a line above them.
        are_named: whether names and texts are shown; a name is there as alternative text in any case.
    """
    laid = [(card.name, None if card.image is None else image_address(card.image), list(card.texts)) for card in shown]
    return fill("cards", cards=laid, size=size, note=note, are_named=are_named)


def image_address(content: bytes) -> str:
    """Gives the data: address of an encoded image.

    Raises:
        ValueError: it is neither WebP, PNG, JPEG nor GIF.
    """
    for signature, media_type in _SIGNATURES:
        if content.startswith(signature):
            return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
    raise ValueError(f"a page shows WebP, PNG, JPEG and GIF; this begins with {content[:8]!r}")
