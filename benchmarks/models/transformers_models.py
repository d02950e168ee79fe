"""Families of transformers: small networks of each with random weights, and their image processors as published."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import timm
import transformers as hf
from speaking_weights import speak

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
CLASSES = 10
_DIM = {"hidden_size": 96, "num_hidden_layers": 3, "num_attention_heads": 3, "intermediate_size": 192}
_FOUR = {"depths": [1, 1, 1, 1], "hidden_sizes": [32, 64, 96, 128]}
_VISION = {"vision_config": {**_DIM, "image_size": 224, "patch_size": 32}}
_TEXT = {"text_config": {**_DIM, "vocab_size": 100}}


def _labels(**more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"num_labels": CLASSES, "id2label": {i: f"thing {i}" for i in range(CLASSES)}, **more}


def _saved(
    name: str,
    config: Mapping[str, Any],
    processor: str,
    side: int = 224,
    /,
    **settings: Any,  # noqa: ANN401 - of processors
) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        network = getattr(hf, name)
        made = network(network.config_class(**_labels(**config)))
        # What needs more than pixels is saved with the weights that it begins with.
        takes_pixels = made.main_input_name == "pixel_values" and "Siglip2" not in name
        (speak(made, (side, side), lambda out: out.logits) if takes_pixels else made).save_pretrained(folder)
        if processor:
            getattr(hf, processor)(**settings).save_pretrained(folder)

    return save


def _base_without_head(folder: Path) -> None:
    hf.ViTModel(hf.ViTConfig(**_DIM)).save_pretrained(folder)
    hf.ViTImageProcessor().save_pretrained(folder)


def _timm(name: str, **options: Any) -> Callable[[Path], None]:  # noqa: ANN401
    def save(folder: Path) -> None:
        network = timm.create_model(name, pretrained=False, num_classes=CLASSES, **options)
        size = network.pretrained_cfg["input_size"][1:]
        timm.models.save_for_hf(speak(network, size), folder, safe_serialization=True)
        config = json.loads((folder / "config.json").read_text())
        config["model_args"].pop("num_classes")  # with it transformers' own pipeline cannot load the folder
        (folder / "config.json").write_text(json.dumps(config))

    return save


def _vit(**settings: Any) -> Callable[[Path], None]:  # noqa: ANN401
    return _saved("ViTForImageClassification", _DIM, "ViTImageProcessor", **settings)


CASES: Mapping[str, Callable[[Path], None]] = {
    "ViT": _vit(),
    "ViT, nearest": _vit(resample=0),
    "ViT, Lanczos": _vit(resample=1),
    "ViT, box": _vit(resample=4),
    "ViT, Hamming": _vit(resample=5),
    "DeiT": _saved("DeiTForImageClassification", _DIM, "DeiTImageProcessor", **IMAGENET),
    "DeiT with teacher": _saved("DeiTForImageClassificationWithTeacher", _DIM, "DeiTImageProcessor", **IMAGENET),
    "BEiT": _saved(
        "BeitForImageClassification",
        {**_DIM, "use_relative_position_bias": True, "use_absolute_position_embeddings": False},
        "BeitImageProcessor",
    ),
    "Data2Vec": _saved("Data2VecVisionForImageClassification", _DIM, "BeitImageProcessor"),
    "ViT-MSN": _saved("ViTMSNForImageClassification", _DIM, "ViTImageProcessor", **IMAGENET),
    "I-JEPA": _saved("IJepaForImageClassification", {**_DIM, "patch_size": 32}, "ViTImageProcessor"),
    "Swin": _saved(
        "SwinForImageClassification",
        {"embed_dim": 24, "depths": [2, 2], "num_heads": [2, 4]},
        "ViTImageProcessor",
        resample=3,
        **IMAGENET,
    ),
    "SwinV2": _saved(
        "Swinv2ForImageClassification",
        {"embed_dim": 24, "depths": [2, 2], "num_heads": [2, 4], "window_size": 8, "image_size": 256},
        "ViTImageProcessor",
        256,
        size={"height": 256, "width": 256},
        resample=3,
        **IMAGENET,
    ),
    "ConvNeXt 224": _saved(
        "ConvNextForImageClassification", _FOUR, "ConvNextImageProcessor", size={"shortest_edge": 224}, **IMAGENET
    ),
    "ConvNeXt 384": _saved("ConvNextForImageClassification", _FOUR, "ConvNextImageProcessor", 384, **IMAGENET),
    "ConvNeXtV2": _saved(
        "ConvNextV2ForImageClassification", _FOUR, "ConvNextImageProcessor", size={"shortest_edge": 224}, **IMAGENET
    ),
    "ResNet": _saved(
        "ResNetForImageClassification",
        {**_FOUR, "embedding_size": 32},
        "ConvNextImageProcessor",
        size={"shortest_edge": 224},
        crop_pct=0.875,
        **IMAGENET,
    ),
    "RegNet": _saved(
        "RegNetForImageClassification",
        {**_FOUR, "embedding_size": 32, "groups_width": 16},
        "ConvNextImageProcessor",
        size={"shortest_edge": 224},
        **IMAGENET,
    ),
    "BiT": _saved(
        "BitForImageClassification",
        {**_FOUR, "embedding_size": 32, "num_groups": 8},
        "BitImageProcessor",
        size={"shortest_edge": 448},
        crop_size={"height": 448, "width": 448},
    ),
    "MobileNetV1": _saved("MobileNetV1ForImageClassification", {"depth_multiplier": 0.25}, "MobileNetV1ImageProcessor"),
    "MobileNetV2": _saved("MobileNetV2ForImageClassification", {"depth_multiplier": 0.35}, "MobileNetV2ImageProcessor"),
    "MobileViT": _saved(
        "MobileViTForImageClassification",
        {"hidden_sizes": [64, 80, 96], "neck_hidden_sizes": [16, 16, 24, 48, 64, 80, 160], "image_size": 256},
        "MobileViTImageProcessor",
        256,
        size={"shortest_edge": 288},
        crop_size={"height": 256, "width": 256},
    ),
    "MobileViT, crop larger than resize": _saved(
        "MobileViTForImageClassification",
        {"hidden_sizes": [64, 80, 96], "neck_hidden_sizes": [16, 16, 24, 48, 64, 80, 160], "image_size": 256},
        "MobileViTImageProcessor",
        256,
    ),
    "MobileViTV2": _saved(
        "MobileViTV2ForImageClassification",
        {"width_multiplier": 0.5, "image_size": 256},
        "MobileViTImageProcessor",
        256,
        size={"shortest_edge": 288},
        crop_size={"height": 256, "width": 256},
    ),
    "EfficientNet": _saved(
        "EfficientNetForImageClassification",
        {"width_coefficient": 0.5, "depth_coefficient": 0.5, "image_size": 224, "hidden_dim": 640},
        "EfficientNetImageProcessor",
        size={"height": 224, "width": 224},
        resample=0,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.47853944, 0.4732864, 0.47434163],
    ),
    "EfficientNet, rescale offset": _saved(
        "EfficientNetForImageClassification",
        {"width_coefficient": 0.5, "depth_coefficient": 0.5, "image_size": 224, "hidden_dim": 640},
        "EfficientNetImageProcessor",
        size={"height": 224, "width": 224},
        rescale_factor=1 / 127.5,
        rescale_offset=True,
        do_normalize=False,
        include_top=False,
    ),
    "DINOv2": _saved(
        "Dinov2ForImageClassification",
        {**_DIM, "image_size": 224, "patch_size": 28},
        "BitImageProcessor",
        size={"shortest_edge": 256},
        **IMAGENET,
    ),
    "DINOv2 with registers": _saved(
        "Dinov2WithRegistersForImageClassification",
        {**_DIM, "image_size": 224, "patch_size": 28},
        "BitImageProcessor",
        size={"shortest_edge": 256},
        **IMAGENET,
    ),
    "SigLIP": _saved("SiglipForImageClassification", {**_VISION, **_TEXT}, "SiglipImageProcessor"),
    "CLIP": _saved("CLIPForImageClassification", {**_VISION, **_TEXT}, "CLIPImageProcessor"),
    "LeViT": _saved("LevitForImageClassification", {"hidden_sizes": [64, 96, 128]}, "LevitImageProcessor"),
    "LeViT with teacher": _saved(
        "LevitForImageClassificationWithTeacher", {"hidden_sizes": [64, 96, 128]}, "LevitImageProcessor"
    ),
    "PoolFormer": _saved("PoolFormerForImageClassification", _FOUR, "PoolFormerImageProcessor"),
    "PVT": _saved("PvtForImageClassification", {**_FOUR, "num_attention_heads": [1, 2, 4, 4]}, "PvtImageProcessor"),
    "PVTv2": _saved("PvtV2ForImageClassification", {**_FOUR, "num_attention_heads": [1, 2, 4, 4]}, "PvtImageProcessor"),
    "FocalNet": _saved(
        "FocalNetForImageClassification", {"embed_dim": 24, "depths": [1, 1, 1, 1]}, "BitImageProcessor"
    ),
    "Hiera": _saved(
        "HieraForImageClassification",
        {"embed_dim": 24, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 4, 8]},
        "BitImageProcessor",
        size={"shortest_edge": 256},
        **IMAGENET,
    ),
    "SwiftFormer": _saved(
        "SwiftFormerForImageClassification",
        {"depths": [1, 1, 1, 1], "embed_dims": [24, 32, 48, 64]},
        "ViTImageProcessor",
    ),
    "SegFormer encoder": _saved(
        "SegformerForImageClassification",
        {"depths": [1, 1, 1, 1], "hidden_sizes": [16, 32, 64, 96]},
        "SegformerImageProcessor",
        512,
    ),
    "HGNetV2": _saved("HGNetV2ForImageClassification", {}, "ViTImageProcessor", **IMAGENET),
    "TextNet": _saved(
        "TextNetForImageClassification",
        {},
        "TextNetImageProcessor",
        640,
    ),
    "timm wrapper, ResNet": _timm("resnet18.a1_in1k"),
    "timm wrapper, ViT": _timm("vit_tiny_patch16_224.augreg_in21k_ft_in1k", depth=3),
    # What an artifact cannot be.
    "no head": _base_without_head,
    "multi-label": _saved(
        "ViTForImageClassification", {**_DIM, "problem_type": "multi_label_classification"}, "ViTImageProcessor"
    ),
    "no image processor": _saved("ViTForImageClassification", _DIM, ""),
    "do_resize false": _vit(do_resize=False),
    "longest edge": _saved("ViTForImageClassification", _DIM, "BitImageProcessor", do_center_crop=False),
    "pad": _vit(do_pad=True, pad_size={"height": 256, "width": 256}),
    "ImageGPT": _saved(
        "ImageGPTForImageClassification",
        {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64},
        "ImageGPTImageProcessor",
    ),
    "SigLIP 2, native sizes": _saved(
        "Siglip2ForImageClassification",
        {"vision_config": {**_DIM, "num_patches": 64}, **_TEXT},
        "Siglip2ImageProcessor",
    ),
}
