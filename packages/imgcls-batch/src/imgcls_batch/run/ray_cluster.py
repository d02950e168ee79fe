"""The engine of many machines: Ray starts one worker for each CPU or GPU; what they promise does not depend on Ray.

Any shard may be run, repeated or lost by any machine: its object appears whole and once (see `output`). Ray 2.60's own
checkpoints keep every finished id in each filter actor and its errored blocks are dropped, so none of it is used.
"""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from imgcls_batch.errors import ClusterError, WorkerFailedError, as_worker_failure
from imgcls_batch.run.job import BatchJob, ShardOutcome, ShardTask
from imgcls_batch.run.shard_queue import ShardQueue
from imgcls_batch.run.worker import ShardWorker
from imgcls_batch.sources.places import reason_of

_CONNECT_S: Final = 10


class RayWorker:
    """A worker as an actor. Failures are its answers: an exception would lose its sentence on the way."""

    def __init__(self) -> None:
        self._worker: ShardWorker | None = None

    def prepare(self, job: BatchJob, artifact: bytes) -> WorkerFailedError | None:
        """Proves that this machine answers as the artifact says.

        Args:
            job: the run; its model is a path of the machine that drives.
            artifact: the file's bytes.
        """
        try:
            path = Path(tempfile.gettempdir()) / f"imgcls-{hashlib.sha256(artifact).hexdigest()[:16]}-{id(self):x}.onnx"
            path.write_bytes(artifact)
            try:
                self._worker = ShardWorker(replace(job, model=path))
            finally:
                path.unlink()
        except Exception as error:  # noqa: BLE001 - whoever drives decides
            return as_worker_failure(error)
        return None

    def classify(self, task: ShardTask) -> ShardOutcome | WorkerFailedError:
        """Answers a shard."""
        try:
            if self._worker is None:
                raise AssertionError("not prepared")
            return self._worker.classify(task, lambda _: None)
        except Exception as error:  # noqa: BLE001 - whoever drives decides
            return as_worker_failure(error)


@dataclass(frozen=True)
class RayCluster:
    """Runs workers on a Ray cluster.

    Args:
        address: of the cluster: "auto", "host:port", "ray://host:10001", or "local" for one on this machine.
        workers: how many; None takes one for each CPU (or GPU) that the cluster has now.
        on_gpu: whether each worker gets a GPU.
        note: is told what the user should know.
    """

    address: str
    workers: int | None
    on_gpu: bool
    note: Callable[[str], None]

    def outcomes(self, job: BatchJob, shards: Iterable[int]) -> Iterator[ShardOutcome]:
        """Gives finished shards as they come.

        Args:
            job: the run.
            shards: that are to be done; they are taken one by one.

        Raises:
            ClusterError: Ray is not installed, or the cluster cannot be reached.
            WorkerFailedError: no machine may or can write.
            ShardUnfinishedError: workers fail on a shard again and again.
        """
        ray = _import_ray()
        _check_reachable(self.address)
        try:
            ray.init(address=self.address, log_to_driver=False, logging_level="warning")
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise ClusterError(f"The Ray cluster at {self.address!r} cannot be reached: {reason_of(error)}.") from error
        try:
            kind = "GPU" if self.on_gpu else "CPU"
            workers = self.workers or int(ray.cluster_resources().get(kind, 0))
            if not workers:
                raise ClusterError(f"The Ray cluster at {self.address!r} has no {kind}; name --workers, or --provider.")
            yield from _Fleet(ray, job, ShardQueue(shards), self).outcomes(workers)
        finally:
            ray.shutdown()


class _Fleet:
    """Actors and what each is doing: a call under way → (actor, its task; None while it prepares)."""

    def __init__(self, ray: ModuleType, job: BatchJob, shards: ShardQueue, cluster: RayCluster) -> None:
        self._ray: Any = ray
        self._shards, self._cluster = shards, cluster
        gpus = 1 if cluster.on_gpu else 0
        # One CPU each, and as many threads of the runtime as `job` says: Ray itself limits only OMP's.
        self._kind = self._ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0)(RayWorker)
        self._job = self._ray.put(job)
        self._artifact = self._ray.put(job.model.read_bytes())
        self._calls: dict[Any, tuple[Any, ShardTask | None]] = {}
        self._idle: list[Any] = []
        self._refusal: WorkerFailedError | None = None

    def outcomes(self, workers: int) -> Iterator[ShardOutcome]:
        for _ in range(workers):
            self._add_worker()
        while True:
            self._hand_out()
            if not any(task is not None for _, task in self._calls.values()) and self._shards.is_empty:
                return
            if not self._calls:
                raise self._refusal or AssertionError("no worker is left")
            for call in self._ready():
                actor, task = self._calls.pop(call)
                told = self._answer(call)
                if isinstance(told, ShardOutcome):
                    self._idle.append(actor)
                    yield told
                elif task is not None:
                    self._failed(actor, task, told)
                else:
                    self._prepared(actor, told)

    def _ready(self) -> list[Any]:
        """Waits for one call and gives all that are through: one look at a thousand calls costs milliseconds."""
        calls = list(self._calls)
        self._ray.wait(calls, num_returns=1)
        ready: list[Any] = self._ray.wait(calls, num_returns=len(calls), timeout=0)[0]
        return ready

    def _prepared(self, actor: Any, told: object) -> None:  # noqa: ANN401 - Ray's
        if told is None:
            self._idle.append(actor)
        elif isinstance(told, WorkerFailedError):
            self._refuse(told)
        else:
            self._add_worker()  # its machine went while it prepared

    def _answer(self, call: Any) -> object:  # noqa: ANN401 - Ray's
        """Gives what a worker answers; its death as Ray tells it."""
        try:
            return self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            return error

    def _hand_out(self) -> None:
        while self._idle and (task := self._shards.next()) is not None:
            actor = self._idle.pop()
            self._calls[actor.classify.remote(task)] = (actor, task)

    def _failed(self, actor: Any, task: ShardTask, told: object) -> None:  # noqa: ANN401 - Ray's
        if isinstance(told, WorkerFailedError):
            self._shards.failed(task, str(told))
            self._idle.append(actor)
            return
        # A node that goes and an image that kills its worker look alike from here.
        self._shards.died(task, f"its worker died ({type(told).__name__})")
        self._add_worker()

    def _add_worker(self) -> None:
        actor = self._kind.remote()
        self._calls[actor.prepare.remote(self._job, self._artifact)] = (actor, None)

    def _refuse(self, told: WorkerFailedError) -> None:
        """Goes on without a machine that answers differently or cannot use the artifact."""
        if self._refusal is None:
            self._cluster.note(str(told))
        self._refusal = told


def _check_reachable(address: str) -> None:
    """Raises if nobody listens at an address of the form HOST:PORT: Ray itself would try for minutes."""
    host, separator, port = address.removeprefix("ray://").rpartition(":")
    if not separator or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
    except OSError as error:
        raise ClusterError(f"The Ray cluster at {address!r} cannot be reached: {reason_of(error)}.") from error


def _import_ray() -> ModuleType:
    # Else Ray packs the working directory for the workers when it is started by `uv run`; nodes have their own install.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    try:
        import ray  # noqa: PLC0415 - an extra, and slow
    except ImportError as error:
        raise ClusterError("--ray needs Ray, which is not installed: `pip install 'imgcls-batch[ray]'`.") from error
    return ray
