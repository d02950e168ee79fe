"""How a network is trained: every number that decides on the result, in one place."""

from __future__ import annotations

from typing import Annotated, Literal

from imgcls_core.artifact import Preprocessing
from msgspec import Meta, Struct
from PIL import __version__ as pillow_version

_Share = Annotated[float, Meta(ge=0, le=1)]
_Positive = Annotated[float, Meta(gt=0)]
_Count = Annotated[int, Meta(ge=1)]
_Side = Annotated[int, Meta(ge=8, le=1024)]


class Recipe(Struct, frozen=True, forbid_unknown_fields=True):
    """A recipe. Two fits with the same recipe, data and machine give the same weights.

    Args:
        architecture: `small_resnet12`, a torchvision architecture, or FILE.py:FACTORY.
        epochs: passes over the training images.
        batch_size: images a step; the last, incomplete batch of an epoch is left out.
        image_size: side of the network's input when it is used, in pixels.
        train_sizes: sides in pixels that the epochs are trained at, each for an equal share of them. Small images
            first save time; ending a little below `image_size` is right for random crops, which enlarge what they
            show (Touvron et al., "Fixing the train-test resolution discrepancy", 2019). Empty: `image_size`.
        resize_mode: "squash" resizes to the square whatever the aspect; "shortest_edge" resizes to `resize_size` and
            crops the centre.
        resize_size: shorter edge in pixels with "shortest_edge".
        optimizer: "sgd" with Nesterov momentum 0.9, or "adamw".
        learning_rate: the highest one, per batch of `batch_size`.
        warmup_epochs: over which the learning rate rises from zero; after them it falls as a cosine to zero.
        weight_decay: of convolutions and linear layers; norms and biases have none.
        clip_norm: the gradient is shortened to this length where it is longer; 0 leaves it. Networks without batch norm
            need it.
        label_smoothing: share of the target that is spread over all classes.
        ema_decay: of the average of the weights, which is what is evaluated and kept; 0 switches it off.
        crop_scale_min: smallest share of the area that a random crop shows; 1 switches cropping off.
        flip: probability of a mirrored image.
        colour_jitter: largest relative change of brightness, contrast and saturation.
        erase: probability that a random square is hidden.
        mixup_alpha: of mixup's Beta distribution; 0 switches it off.
        precision: "bf16" computes in bfloat16 where it is safe, "fp32" does not, "auto" takes bf16 where the
            processor has it.
        images_per_class: trains on so many images of each class, the first ones; 0 takes all.
        seed: of the weights, the order and the augmentation.
        pretrained: where the weights come from before training: "" for none, "catalog", a file or a folder.
        state_key: which set of weights of that file is meant, where it has several; a path with dots.
        freeze_epochs: epochs in which only the new head is trained.
        head_learning_rate_factor: of the new head against the rest.
        mean: per channel R, G, B in the 0 to 1 range.
        std: per channel R, G, B in the 0 to 1 range.
    """

    architecture: str = "small_resnet12"
    epochs: _Count = 45
    batch_size: _Count = 128
    image_size: _Side = 64
    train_sizes: tuple[_Side, ...] = ()
    resize_mode: Literal["squash", "shortest_edge"] = "squash"
    resize_size: _Side | None = None
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: _Positive = 0.1
    warmup_epochs: Annotated[float, Meta(ge=0)] = 2.0
    weight_decay: Annotated[float, Meta(ge=0)] = 5e-4
    clip_norm: Annotated[float, Meta(ge=0)] = 0.0
    label_smoothing: _Share = 0.1
    ema_decay: Annotated[float, Meta(ge=0, lt=1)] = 0.999
    crop_scale_min: Annotated[float, Meta(gt=0, le=1)] = 0.35
    flip: _Share = 0.5
    colour_jitter: Annotated[float, Meta(ge=0, lt=1)] = 0.3
    erase: _Share = 0.0
    mixup_alpha: Annotated[float, Meta(ge=0)] = 0.0
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    images_per_class: Annotated[int, Meta(ge=0)] = 0
    seed: Annotated[int, Meta(ge=0, lt=2**31)] = 0
    pretrained: str = ""
    state_key: str = ""
    freeze_epochs: Annotated[int, Meta(ge=0)] = 0
    head_learning_rate_factor: _Positive = 1.0
    # Statistics of the ImageNet training set, as torchvision's weights publish them.
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def train_size(self, epoch: int) -> int:
        """Gives the side in pixels at which an epoch (from 0) is trained."""
        sizes = self.train_sizes or (self.image_size,)
        return sizes[min(len(sizes) - 1, epoch * len(sizes) // self.epochs)]

    @property
    def preprocessing(self) -> Preprocessing:
        """What the network is trained for, as its artifact will do it."""
        is_squash = self.resize_mode == "squash"
        return Preprocessing(
            size=(self.image_size, self.image_size),
            resize_mode=self.resize_mode,
            # torchvision's usual ratio, 256 for 224.
            resize_size=None if is_squash else self.resize_size or round(self.image_size * 256 / 224),
            crop=None if is_squash else "center",
            interpolation="bilinear",
            mean=self.mean,
            std=self.std,
            pillow=pillow_version,
        )
