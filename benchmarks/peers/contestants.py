"""Who takes part: each server with the environment it runs in and the command that starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from imgcls_core.cpus import allotted_cpus

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
_SERVERS = HERE / "servers"


@dataclass(frozen=True)
class Contestant:
    """One server.

    Attributes:
        name: as in the table.
        package: the distribution whose version is told.
        command: arguments after the environment's Python, `{port}` among them where it is asked for there.
        form: the form's field that holds the image; None sends it as the body.
        versions: its file of pinned versions, in `versions/`; None runs in this environment.
        settings: of its own, as environment variables.
    """

    name: str
    package: str
    command: tuple[str, ...]
    form: str | None = None
    versions: str | None = None
    settings: dict[str, str] = field(default_factory=dict)

    def python(self, environments: Path) -> str:
        """Gives its interpreter; makes its environment first where there is none for these versions."""
        if self.versions is None:
            return sys.executable
        pinned = HERE / "versions" / self.versions
        folder = environments / pinned.stem
        python, mark = folder / "bin/python", folder / "versions.txt"
        wanted = f"{ROOT}\n{pinned.read_text(encoding='utf-8')}"
        if not mark.is_file() or mark.read_text(encoding="utf-8") != wanted:
            sys.stderr.write(f"making the environment of {self.name} in {folder}\n")
            # The members as they are here, in front of nothing else: what they need is among the pinned versions.
            members = [f"{ROOT}/packages/imgcls-{name}" for name in ("contract", "core")]
            _uv("venv", "-q", "--clear", "--python", sys.executable, str(folder))
            _uv("pip", "install", "-q", "--python", str(python), "-r", str(pinned))
            _uv("pip", "install", "-q", "--python", str(python), "--no-deps", *(f"-e{member}" for member in members))
            mark.write_text(wanted, encoding="utf-8")
        return str(python)

    def environment(self, model: Path, port: int) -> dict[str, str]:
        """Gives the variables of its process; telemetry, where a peer has any, is off."""
        ours = {
            "IMGCLS_MODEL": str(model),
            "IMGCLS_PORT": str(port),
            "IMGCLS_PROVIDER": "cpu",
        }
        peers = {"PEER_MODEL": str(model), "PEER_PORT": str(port), "PEER_CPUS": str(allotted_cpus())}
        quiet = {
            "BENTOML_DO_NOT_TRACK": "True",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_MODE": "disabled",
            "IMGCLS_LOG_LEVEL": "warning",
        }
        return os.environ | ours | peers | quiet | self.settings

    def version(self, python: str) -> str:
        """Asks its environment for the version of its package."""
        line = f"from importlib.metadata import version; print(version({self.package!r}))"
        return subprocess.run([python, "-c", line], check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603


IMGCLS = Contestant("imgcls-serve", "imgcls-serve", ("-m", "imgcls_serve"))
PEERS = (
    Contestant("FastAPI", "fastapi", (f"{_SERVERS}/fastapi_server.py",), versions="fastapi.txt"),
    Contestant("LitServe", "litserve", (f"{_SERVERS}/litserve_server.py",), form="image", versions="litserve.txt"),
    Contestant(
        "BentoML",
        "bentoml",
        ("-m", "bentoml", "serve", "bentoml_server:Classifier", "--port", "{port}", "--working-dir", str(_SERVERS)),
        form="image",
        versions="bentoml.txt",
    ),
    Contestant(
        "Ray Serve",
        "ray",
        (f"{_SERVERS}/ray_server.py",),
        versions="ray.txt",
        settings={
            # Its documents' advice for throughput, but for the ingress that needs HAProxy.
            "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
            "RAY_SERVE_ENABLE_DIRECT_INGRESS": "0",
            "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # else its workers take the environment of this command's `uv run`
            "RAY_worker_niceness": "0",  # else its workers give way to the load that asks them
            "RAY_agent_register_timeout_ms": "300000",  # a busy machine starts its agents slowly
        },
    ),
)


def _uv(*arguments: str) -> None:
    subprocess.run(["uv", *arguments], check=True)  # noqa: S603, S607
