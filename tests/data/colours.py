"""A network that names the colour of an image: small enough to commit, and wrong as soon as channels are swapped.

`tests/data/colours.onnx` is made from it by

    uv run imgcls-convert tests/data/colours.py:build --labels tests/data/colours.txt --image-size 32 \
        --mean 0.5 0.5 0.5 --std 0.5 0.5 0.5 --output tests/data/colours.onnx
"""

import torch
from torch import Tensor, nn


class NearestColour(nn.Module):
    """Mean colour → logits: the closer a prototype, the higher; the same in each of the four quarters."""

    def __init__(self) -> None:
        super().__init__()
        # red, green, blue, yellow, cyan, magenta, black, white in the normalised range -1 to 1
        corners = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1), (1, 0, 1), (0, 0, 0), (1, 1, 1)]
        prototypes = torch.tensor(corners, dtype=torch.float32) * 2 - 1  # [8, 3]
        self.pool = nn.AvgPool2d(16, 16)
        self.nearest = nn.Linear(12, 8)
        with torch.no_grad():
            # Each quarter weighs a little differently, so that flips and shifts move the probabilities.
            quarters = torch.tensor([1.3, 1.1, 0.9, 0.7]) / 4  # [4]
            weight = prototypes[:, :, None] * quarters  # [8, 3, 4], the layout of the flattened pool
            self.nearest.weight.copy_(2 * weight.reshape(8, 12))
            self.nearest.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.nearest(self.pool(x).flatten(1))  # [N, 3, 32, 32] → [N, 8]


def build() -> NearestColour:
    return NearestColour()
