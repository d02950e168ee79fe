"""How often the service's figures of drift alarm without drift, and how many answers planted drift takes.

Needs a running service on `tests/data/colours_with_reference.onnx` that may be loaded anew:

    IMGCLS_ADMIN_TOKEN=admin-token-1 uv run imgcls-serve --model tests/data/colours_with_reference.onnx
    uv run python benchmarks/drift/windows.py --admin-token admin-token-1

Each window begins with a model that was just loaded. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import httpx

NAME = "colours_with_reference"
DATA = Path(__file__).parents[2] / "tests" / "data" / f"{NAME}.py"
# What callers send instead of the traffic that the reference was measured on.
PLANTED = {
    "rare classes are common": {"shares": (0.05, 0.05, 0.1, 0.1, 0.1, 0.1, 0.2, 0.3)},
    "much fainter colours": {"strongest": 0.5},
    "fainter colours": {"strongest": 0.75},
}
PART = 50


class Asked:
    """A service that answers colours."""

    def __init__(self, url: str, admin_token: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=60, headers={"x-api-key": admin_token})

    def forget(self) -> None:
        """Loads the model anew."""
        self._http.post(f"/models/{NAME}/load").raise_for_status()

    def send(self, colours: Any) -> None:  # noqa: ANN401 - an array of uint8 [N, 3]
        """Sends images of one pixel each."""
        for start in range(0, len(colours), PART):
            part = colours[start : start + PART]
            tensor = {"name": "images", "datatype": "UINT8", "shape": [len(part), 1, 1, 3]}
            body = {"inputs": [tensor | {"data": part.ravel().tolist()}]}
            self._http.post(f"/v2/models/{NAME}/infer", json=body).raise_for_status()

    def drift(self) -> dict[str, Any]:
        """Asks for the figures."""
        return self._http.get(f"/models/{NAME}/drift").raise_for_status().json()


def moved(seen: dict[str, Any]) -> list[str]:
    """Names the distributions that the rule of the documentation alarms for."""
    answers, limit = seen["window"]["answers"], seen["limit_psi"]
    return [of for of, one in seen["drift"].items() if answers >= one["answers_needed"] and one["psi"] > limit]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8192")
    parser.add_argument("--admin-token", required=True)
    parser.add_argument("--windows", type=int, default=1000)
    parser.add_argument("--answers", type=int, default=200, help="of each window without drift")
    parser.add_argument("--repeats", type=int, default=30, help="of each planted drift")
    arguments = parser.parse_args()
    spec = importlib.util.spec_from_file_location(NAME, DATA)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{DATA} cannot be read")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    service = Asked(arguments.url, arguments.admin_token)

    alarms = 0
    highest: dict[str, float] = {}
    for seed in range(arguments.windows):
        service.forget()
        service.send(module.traffic(arguments.answers, 1000 + seed))
        seen = service.drift()
        alarms += bool(moved(seen))
        highest = {of: max(one["psi"], highest.get(of, 0.0)) for of, one in seen["drift"].items()}
    found: dict[str, Any] = {}
    for name, options in PLANTED.items():
        took: list[int] = []
        for repeat in range(arguments.repeats):
            service.forget()
            colours = module.traffic(2000, 50_000 + repeat, **options)
            for sent in range(0, len(colours), 10):
                service.send(colours[sent : sent + 10])
                if moved(service.drift()):
                    took.append(sent + 10)
                    break
        found[name] = {
            "found": len(took),
            "of": arguments.repeats,
            "answers": statistics.median(took) if took else None,
        }
    result = {"windows": arguments.windows, "answers": arguments.answers, "alarms": alarms, "highest_psi": highest}
    sys.stdout.write(json.dumps(result | {"planted": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
