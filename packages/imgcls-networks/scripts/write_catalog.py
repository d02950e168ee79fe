"""Writes src/imgcls_networks/data/catalog.json from torchvision's own metadata; run it after a torchvision upgrade."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import torchvision

CATALOG = Path(__file__).parents[1] / "src/imgcls_networks/data/catalog.json"

# The weights that `imgcls-convert` without arguments takes: the original ones, from either of two hosts.
PINNED_WEIGHTS = {"resnet18": "IMAGENET1K_V1"}
PINNED_SHA256 = {"resnet18": "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec"}
MIRRORS = {"resnet18": ["https://www.dropbox.com/s/b7641ryzmkceoc9/pytorch_model_weights.pth?dl=1"]}


def entry(name: str) -> dict[str, object]:
    """Gives one row of the catalog."""
    choices = torchvision.models.get_model_weights(name)
    weights = choices[PINNED_WEIGHTS[name]] if name in PINNED_WEIGHTS else choices.DEFAULT
    # torchvision writes the first eight digits of the SHA-256 into the file's name.
    sha256 = PINNED_SHA256.get(name) or Path(urlsplit(weights.url).path).stem.rpartition("-")[2]
    metrics = weights.meta["_metrics"]["ImageNet-1K"]
    urls = [weights.url, *MIRRORS.get(name, [])]
    return {
        "name": name,
        "architecture": name,
        "weights": weights.name,
        "dataset": "ImageNet-1k",
        "labels": "imagenet1k",
        "classes": len(weights.meta["categories"]),
        "top1_pct": metrics["acc@1"],
        "top5_pct": metrics["acc@5"],
        "megabytes": weights.meta["_file_size"],
        "licence": weights.meta.get("license", "BSD-3-Clause"),
        "sources": [{"url": url, "sha256": sha256} for url in urls],
    }


if __name__ == "__main__":
    names = sorted(torchvision.models.list_models(module=torchvision.models))
    rows = ",\n".join(json.dumps(entry(name)) for name in names)
    CATALOG.write_text(f"[\n{rows}\n]\n", encoding="utf-8")
