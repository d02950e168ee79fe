"""Reads from a Dockerfile what the deployment must agree with: ARG, ENV, EXPOSE, CMD and the files it copies."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<if_set>:\+(?P<word>[^}]*))?\}|\$(?P<bare>\w+)")


@dataclass
class Dockerfile:
    """What the default target has, with every ARG at its default: the platform passes no build arguments."""

    args: dict[str, str] = field(default_factory=dict[str, str])
    env: dict[str, str] = field(default_factory=dict[str, str])
    exposed: list[str] = field(default_factory=list[str])
    copied: list[str] = field(default_factory=list[str])
    command: list[str] | None = None
    user: str = "root"


def read_dockerfile(path: Path) -> Dockerfile:
    """Reads a Dockerfile.

    Args:
        path: the file; must exist.

    Returns:
        ENV, EXPOSE, CMD and USER of the last stage and of those it is built on, and COPY of all stages.
    """
    args: dict[str, str] = {}
    stages: dict[str, Dockerfile] = {}
    copied: list[str] = []
    stage = Dockerfile(args=args)
    for keyword, rest in _instructions(path.read_text(encoding="utf-8")):
        text = _VARIABLE.sub(lambda found: _value(found, args), rest)
        if keyword == "FROM":
            parts = [part for part in text.split() if not part.startswith("--")]
            parent = stages.get(parts[0], Dockerfile())
            stage = Dockerfile(args, dict(parent.env), list(parent.exposed), copied, parent.command, parent.user)
            if len(parts) == 3:
                stages[parts[2]] = stage
        elif keyword == "ARG" and "=" in text:
            name, _, value = text.partition("=")
            args[name.strip()] = value.strip().strip("\"'")
        elif keyword == "ENV":
            stage.env |= dict(part.split("=", 1) for part in shlex.split(text) if "=" in part)
        elif keyword == "EXPOSE":
            stage.exposed += [port.removesuffix("/tcp") for port in text.split()]
        elif keyword == "USER":
            stage.user = text
        elif keyword == "CMD":
            stage.command = json.loads(text) if text.startswith("[") else None
        elif keyword in {"COPY", "ADD"} and "--from=" not in text:
            copied += [part for part in text.split() if not part.startswith("--")][:-1]
    return stage


def _value(found: re.Match[str], args: dict[str, str]) -> str:
    name = found["name"] or found["bare"]
    if found["if_set"]:
        return found["word"] if args.get(name) else ""
    return args.get(name, found[0])


def _instructions(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        (keyword.upper(), rest.strip())
        for keyword, _, rest in (line.strip().partition(" ") for line in joined.split("\n"))
    ]
