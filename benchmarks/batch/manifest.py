"""Lists URIs that count up and writes their manifest: seconds, peak memory and bytes an image, as one JSON document."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path

from imgcls_batch.output.manifest import write_manifest
from imgcls_batch.output.objects import open_output
from imgcls_batch.sources.listing import list_entries


def main() -> None:
    """Writes the list, then the manifest from it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=int)
    parser.add_argument("scratch", type=Path)
    arguments = parser.parse_args()
    arguments.scratch.mkdir(parents=True)
    uris = arguments.scratch / "uris.txt"
    with uris.open("w", encoding="utf-8") as file:
        file.writelines(f"s3://archive/photos/{number:09d}.jpg\n" for number in range(arguments.images))
    began = time.perf_counter()
    written = write_manifest(
        open_output(str(arguments.scratch / "out")), "manifest", list_entries(str(uris)), shard_size=None
    )
    took_s = time.perf_counter() - began
    parts = [path.stat().st_size for path in (arguments.scratch / "out/manifest").rglob("*") if path.is_file()]
    measured = {
        "images": written.images,
        "seconds": round(took_s, 2),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "bytes_per_image": round(sum(parts) / written.images, 2),
        "parts": len(parts),
    }
    sys.stdout.write(f"{json.dumps(measured, indent=2)}\n")


if __name__ == "__main__":
    main()
