"""Fuzzes the targets with atheris, guided by coverage; an input that breaks one ends it and is kept.

uv run --group fuzz python tests/fuzz/fuzz.py --seconds 60              every target for a minute
uv run --group fuzz python tests/fuzz/fuzz.py image --seconds 3600      one
uv run --group fuzz python tests/fuzz/fuzz.py image --keep              keep what it found, made small
uv run --group fuzz python tests/fuzz/fuzz.py image --input FILE        one input again
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Final

import atheris

HERE: Final = Path(__file__).parent
TARGETS: Final = ("image", "artifact", "tensors", "body", "checkpoint")
# Whose code paths guide the mutations.
INSTRUMENTED: Final = ["imgcls_core", "imgcls_networks", "imgcls_serve", "PIL", "python_multipart", "zipfile"]
MAX_BYTES: Final = 16_384
# Of one input; an input of 16 KB that takes longer is a fault.
TIMEOUT_S: Final = 10
MAX_MEMORY_MB: Final = 3_000
KEPT_BYTES: Final = 30_000
KEPT_FILES: Final = 80


def fuzz_one(name: str, options: argparse.Namespace) -> None:
    """Fuzzes one target in this process; never returns."""
    with atheris.instrument_imports(include=INSTRUMENTED):
        from fuzz_targets import TARGETS as FUNCTIONS
    from seeds import SEEDS

    folder: Path = options.folder / name
    folder.mkdir(parents=True, exist_ok=True)
    kept = HERE / "corpus" / name
    kept.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS[name]():
        (folder / hashlib.sha1(seed).hexdigest()).write_bytes(seed)  # noqa: S324 - a name, as libFuzzer gives them
    arguments = [sys.argv[0], f"-timeout={TIMEOUT_S}", f"-rss_limit_mb={MAX_MEMORY_MB}"]
    if options.input:
        arguments += [str(options.input)]
    else:
        arguments += [f"-max_len={MAX_BYTES}", f"-max_total_time={options.seconds}", f"-seed={options.seed}"]
        arguments += [f"-artifact_prefix={options.folder}/{name}-", "-print_final_stats=1", str(folder), str(kept)]
    atheris.Setup(arguments, FUNCTIONS[name])
    atheris.Fuzz()


def keep(name: str, folder: Path) -> None:
    """Takes over what was found: each file reached something new; the smallest first, as far as there is room."""
    kept = HERE / "corpus" / name
    kept.mkdir(parents=True, exist_ok=True)
    room = KEPT_BYTES
    for path in sorted((folder / name).iterdir(), key=lambda one: (one.stat().st_size, one.name))[:KEPT_FILES]:
        if (room := room - path.stat().st_size) < 0:
            return
        (kept / path.name).write_bytes(path.read_bytes())


def main() -> None:
    """Fuzzes one target, or each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="?", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--seed", type=int, default=0, help="0 takes another one each time")
    parser.add_argument("--folder", type=Path, default=Path("fuzz-corpus"), help="what was found")
    parser.add_argument("--keep", action="store_true", help="take over what was found")
    parser.add_argument("--input", type=Path, help="one input")
    options = parser.parse_args()
    if options.keep:
        for one in TARGETS if options.target is None else (options.target,):
            keep(one, options.folder)
        return
    if options.target is not None:
        fuzz_one(options.target, options)
    broken = [one for one in TARGETS if subprocess.run([sys.executable, __file__, one, *sys.argv[1:]]).returncode]
    sys.exit(f"broken: {', '.join(broken)}; see {options.folder}" if broken else 0)


if __name__ == "__main__":
    main()
