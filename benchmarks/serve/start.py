"""Measures the time from starting the process to its first answer, beside the leanest service that could be written.

    python benchmarks/serve/start.py MODEL IMAGE

In turns: the service; FastAPI with a bare session of ONNX Runtime (`bare_service.py`); making that session alone, in a
process that has imported everything. Prints one JSON document: each time, medians, and their ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from service_process import post

HERE = Path(__file__).parent
_SESSION = """
import sys, time, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
began = time.perf_counter()
onnxruntime.InferenceSession(sys.argv[1], sess_options=options, providers=["CPUExecutionProvider"])
print(time.perf_counter() - began)
"""


def first_answer_s(command: list[str], port: int, request: bytes) -> float:
    """Starts a service and asks it until it answers an image; gives the seconds that took."""
    began_s = time.perf_counter()
    environment, nothing = os.environ | {"IMGCLS_PORT": str(port)}, subprocess.DEVNULL
    with subprocess.Popen(command, stdout=nothing, stderr=nothing, env=environment) as process:  # noqa: S603 - our own
        while not answered(port, request):
            if process.poll() is not None:
                raise SystemExit(f"{command} has ended with {process.returncode}")
            time.sleep(0.005)
        taken_s = time.perf_counter() - began_s
        process.send_signal(signal.SIGTERM)
    return taken_s


def answered(port: int, request: bytes) -> bool:
    """Asks once; whether the answer was 200."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(request)
            return connection.recv(16).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def free_port() -> int:
    """Gives a port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def session_s(model: Path) -> float:
    """Gives how long ONNX Runtime takes to make a session of the artifact on one thread."""
    done = subprocess.run([sys.executable, "-c", _SESSION, str(model)], check=True, capture_output=True, text=True)  # noqa: S603
    return float(done.stdout)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("image", type=Path, help="a JPEG")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    request = post(arguments.image.read_bytes())
    ours = [sys.executable, "-m", "imgcls_serve", "--model", str(arguments.model)]
    bare = [sys.executable, str(HERE / "bare_service.py"), str(arguments.model)]
    times: dict[str, list[float]] = {"service": [], "bare": [], "session": []}
    for _ in range(arguments.rounds):
        times["service"].append(first_answer_s(ours, free_port(), request))
        times["bare"].append(first_answer_s(bare, free_port(), request))
        times["session"].append(session_s(arguments.model))
    median = {name: statistics.median(values) for name, values in times.items()}
    document = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "model": arguments.model.name,
        "seconds": {name: [round(value, 3) for value in values] for name, values in times.items()},
        "median_s": {name: round(value, 3) for name, value in median.items()},
        "service_to_bare": round(median["service"] / median["bare"], 3),
        "beyond_session_s": round(median["service"] - median["session"], 3),
    }
    sys.stdout.write(f"{json.dumps(document)}\n")


if __name__ == "__main__":
    main()
