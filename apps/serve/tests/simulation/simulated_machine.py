"""A machine of which one seed decides all: which thread goes on, where it is interrupted, how late it is.

Threads are greenlets, the clock moves when nobody can go on, and an event loop runs real futures and tasks. Code to be
tried is loaded anew by `load`, with the machine's own `threading` and `time` in it and a point before each statement
and after each attribute that is read, at which a thread may have to give way.
"""

from __future__ import annotations

import ast
import asyncio
import builtins
import functools
import heapq
import importlib
import random
import sys
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Final

import greenlet

# A schedule that has not ended by then never will.
_MOST_TURNS: Final = 100_000
_NEVER: Final = 1 << 60


class StuckError(AssertionError):
    """Nobody can go on any more."""


class SimulatedThread:
    """What the machine's `threading.Thread` is.

    Attributes:
        waits_for: what it is blocked on, if that can take for ever; None else.
        died_of: what its function raised.
    """

    def __init__(
        self,
        target: Callable[..., object],
        args: tuple[object, ...] = (),
        *,
        name: str = "",
        daemon: bool = False,
    ) -> None:
        self.name, self.daemon = name, daemon
        self.waits_for: object = None
        self.died_of: BaseException | None = None
        self.is_done = False
        self._joining: list[SimulatedThread] = []
        self.turn = greenlet.greenlet(functools.partial(self._run, target, args), parent=machine().hub)

    def start(self) -> None:
        machine().add(self)

    def join(self) -> None:
        if not self.is_done:
            self._joining.append(machine().running)
            machine().block(self)

    def is_alive(self) -> bool:
        return not self.is_done

    def _run(self, target: Callable[..., object], args: tuple[object, ...]) -> None:
        try:
            target(*args)
        except greenlet.GreenletExit:
            raise
        except BaseException as error:  # noqa: BLE001 - a thread ends with it, as a real one does
            self.died_of = error
        self.is_done = True
        for thread in self._joining:
            machine().wake(thread)


class Machine:
    """One run.

    Args:
        seed: decides all.
        before_time_moves: is called when nobody can go on at this moment.

    Attributes:
        random: for whoever else must decide by the seed.
        now_s: the clock.
        running: the thread whose turn it is.
        late: threads that have been interrupted for a while.
        turns: how often another thread went on.
        hub: gives each its turn.
    """

    def __init__(self, seed: int, before_time_moves: Callable[[], None]) -> None:
        self.random = random.Random(seed)  # noqa: S311 - the same schedule every time
        self.now_s = 0.0
        self.late = self.turns = 0
        self.threads: list[SimulatedThread] = []
        self.running: SimulatedThread = None  # pyright: ignore[reportAttributeAccessIssue]
        self._before_time_moves = before_time_moves
        self._able: list[SimulatedThread] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timers_made = 0
        self.hub = greenlet.getcurrent()
        # Some runs interrupt at nearly every point, some hardly ever.
        self._mean_points = self.random.choice((6, 20, 60, 250))
        self._lateness = self.random.choice((0.0, 0.0, 0.1, 0.5))

    def add(self, thread: SimulatedThread) -> None:
        self.threads.append(thread)
        self._able.append(thread)

    def run(self, main: Callable[[Loop], Coroutine[Any, Any, None]]) -> None:
        """Runs a coroutine on an event loop until it and all threads have ended.

        Raises:
            StuckError: they do not end.
        """
        loop = Loop()
        running_before = _POINTS.machine
        _POINTS.machine = self
        asyncio._set_running_loop(loop)  # pyright: ignore[reportAttributeAccessIssue]
        try:
            self.add(SimulatedThread(loop.run, (main,), name="event loop"))
            while self._turn():
                self.turns += 1
                if self.turns < _MOST_TURNS:
                    continue
                raise StuckError(f"no end after {_MOST_TURNS:,} turns")
            waiting = [f"{thread.name} for {thread.waits_for}" for thread in self.threads if not thread.is_done]
            if waiting:
                raise StuckError(f"nobody can go on: {', '.join(waiting)}")
            if loop.errors:
                raise loop.errors[0]
        finally:
            asyncio._set_running_loop(None)  # pyright: ignore[reportAttributeAccessIssue]
            _POINTS.machine, _POINTS.left = running_before, _NEVER

    def _turn(self) -> bool:
        able = self._able
        if able:
            place = int(self.random.random() * len(able))
            able[place], able[-1] = able[-1], able[place]
            self.running = able.pop()
            _POINTS.left = int(self.random.expovariate(1 / self._mean_points))
            self.running.turn.switch()
            return True
        if not self._timers:
            return False
        _POINTS.left = _NEVER
        self._before_time_moves()
        self.now_s = max(self.now_s, self._timers[0][0])
        while self._timers and self._timers[0][0] <= self.now_s:
            heapq.heappop(self._timers)[2]()
        return True

    def interrupt(self) -> None:
        """Lets another thread go on; this one may be late."""
        if self._lateness and self.random.random() < self._lateness:
            self.late += 1
            self.sleep(self.random.random() * self.random.choice((0.001, 0.01, 0.1)))
            self.late -= 1
        else:
            self._able.append(self.running)
            self.hub.switch()

    def block(self, reason: object) -> None:
        """Stops the running thread until somebody wakes it."""
        thread = self.running
        thread.waits_for = reason
        self.hub.switch()
        thread.waits_for = None

    def wake(self, thread: SimulatedThread) -> None:
        self._able.append(thread)

    def sleep(self, seconds: float) -> None:
        """Lets time pass for the running thread."""
        self.at(self.now_s + seconds, functools.partial(self._able.append, self.running))
        self.hub.switch()

    def at(self, when_s: float, callback: Callable[[], None]) -> None:
        self._timers_made += 1
        heapq.heappush(self._timers, (when_s, self._timers_made, callback))


class Lock:
    """What the machine's `threading.Lock` is."""

    def __init__(self) -> None:
        self._owner: SimulatedThread | None = None
        self._waiting: list[SimulatedThread] = []

    def __enter__(self) -> bool:
        point()
        while self._owner is not None:
            self._waiting.append(machine().running)
            machine().block(self)
        self._owner = machine().running
        return True

    def __exit__(self, *_: object) -> None:
        assert self._owner is machine().running
        self._owner = None
        for thread in self._waiting:
            machine().wake(thread)
        self._waiting.clear()
        point()


class Condition:
    """What the machine's `threading.Condition` is; `place` is the module that made it."""

    def __init__(self, lock: Lock | None = None) -> None:
        self._lock = lock or Lock()
        self._sleepers: deque[_Sleeper] = deque()
        self.place: str = sys._getframe(1).f_globals["__name__"]

    def __repr__(self) -> str:
        return f"a condition of {self.place}"

    def __enter__(self) -> bool:
        return self._lock.__enter__()

    def __exit__(self, *_: object) -> None:
        self._lock.__exit__()

    def wait(self, timeout: float | None = None) -> None:
        sleeper = _Sleeper(machine().running)
        self._sleepers.append(sleeper)
        if timeout is not None:
            machine().at(machine().now_s + max(0.0, timeout), functools.partial(self._release, sleeper))
        self._lock.__exit__()
        if not sleeper.is_released:  # which can happen as soon as the lock is free
            sleeper.is_asleep = True
            machine().block(self if timeout is None else None)
        self._lock.__enter__()

    def notify(self, n: int = 1) -> None:
        for _ in range(min(n, len(self._sleepers))):
            self._release(self._sleepers[0])

    def notify_all(self) -> None:
        self.notify(len(self._sleepers))

    def _release(self, sleeper: _Sleeper) -> None:
        if not sleeper.is_released:
            self._sleepers.remove(sleeper)
            sleeper.is_released = True
            if sleeper.is_asleep:
                machine().wake(sleeper.thread)


@dataclass(eq=False)
class _Sleeper:
    thread: SimulatedThread
    is_asleep: bool = False
    is_released: bool = False


class Timer:
    """A call that is to come, or has been called off."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.call: Callable[[], object] | None = call

    def cancel(self) -> None:
        self.call = None


class Loop(asyncio.AbstractEventLoop):
    """As much of an event loop as futures, tasks and the code that is tried ask for."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self._ready: deque[Callable[[], object]] = deque()
        self._thread: SimulatedThread | None = None
        self._is_asleep = False

    def run(self, main: Callable[[Loop], Coroutine[Any, Any, None]]) -> None:
        """Runs callbacks, in their order, until the coroutine has ended and nothing is left."""
        self._thread = machine().running
        task = self.create_task(main(self))
        while not task.done() or self._ready:
            while self._ready:
                try:
                    self._ready.popleft()()
                except Exception as error:  # noqa: BLE001 - asyncio would log it; here it is a fault
                    self.errors.append(error)
                point()
            if task.done():
                break
            self._is_asleep = True
            machine().block("something to do")
        if (error := task.exception()) is not None:
            self.errors.insert(0, error)

    def time(self) -> float:
        return machine().now_s

    def get_debug(self) -> bool:
        return False

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, Any], **_: Any) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self)

    def call_soon(self, callback: Callable[..., object], *args: Any, context: object = None) -> Any:
        self._ready.append(functools.partial(callback, *args))
        if self._is_asleep:
            self._is_asleep = False
            assert self._thread is not None
            machine().wake(self._thread)

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any, context: object = None) -> Any:
        point()
        self.call_soon(callback, *args)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: object = None) -> Any:
        timer = Timer(functools.partial(callback, *args))

        def due() -> None:
            if timer.call is not None:
                self.call_soon(lambda: timer.call is not None and timer.call())

        machine().at(when, due)
        return timer

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any, context: object = None) -> Any:
        return self.call_at(self.time() + delay, callback, *args)

    def run_in_executor(self, executor: object, func: Callable[..., Any], *args: Any) -> Any:
        future = self.create_future()

        def run() -> None:
            result = func(*args)
            self.call_soon_threadsafe(future.set_result, result)

        SimulatedThread(run, name="executor").start()
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.errors.append(context.get("exception") or AssertionError(context["message"]))


class _Points:
    """Where the running machine keeps how many points its running thread has left."""

    left = _NEVER
    machine: Machine | None = None


_POINTS: Final = _Points()


def machine() -> Machine:
    """The machine that runs."""
    assert _POINTS.machine is not None
    return _POINTS.machine


def point(value: Any = None) -> Any:
    """Passes a value on, after which the running thread may have to give way."""
    _POINTS.left -= 1
    if _POINTS.left < 0:
        machine().interrupt()
    return value


class OrderedSet(dict[Any, None]):
    """A set whose order is not that of addresses."""

    def add(self, item: object) -> None:
        self[item] = None

    def discard(self, item: object) -> None:
        self.pop(item, None)


class _WithPoints(ast.NodeTransformer):
    """Puts a point before each statement of a function, and around each attribute that is read in one."""

    def __init__(self) -> None:
        self._depth = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self._depth += 1
        node.body = [self.visit(one) for one in node.body]
        self._depth -= 1
        if not self._depth:
            node.body = self._interleaved(node.body)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        if self._depth and isinstance(node.ctx, ast.Load):
            return ast.copy_location(ast.Call(ast.Name("__point__", ast.Load()), [node], []), node)
        return node

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def _interleaved(self, body: list[ast.stmt]) -> list[ast.stmt]:
        done: list[ast.stmt] = []
        for statement in body:
            for name in ("body", "orelse", "finalbody"):
                if part := getattr(statement, name, None):
                    setattr(statement, name, self._interleaved(part))
            for handler in getattr(statement, "handlers", ()):
                handler.body = self._interleaved(handler.body)
            if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
                call = ast.Expr(ast.Call(ast.Name("__point__", ast.Load()), [], []))
                done.append(ast.copy_location(call, statement))
            done.append(statement)
        return done


class Loaded:
    """Modules loaded anew for the machine.

    Args:
        package: its modules are loaded with points, and whatever of the workspace they import that uses threads.
        replaced: names in these modules → what they are to be.
        planted: (end of a module's name, text in it, what stands there instead); the text is there once.
    """

    def __init__(
        self, package: str, replaced: Mapping[str, object], planted: tuple[str, str, str] | None = None
    ) -> None:
        self._package, self._replaced, self._planted = package, replaced, planted
        self._modules: dict[str, ModuleType] = {}
        clock = lambda: machine().now_s  # noqa: E731
        self._fakes = {
            "time": SimpleNamespace(perf_counter=clock, monotonic=clock),
            "threading": SimpleNamespace(Thread=SimulatedThread, Lock=Lock, Condition=Condition),
        }

    def module(self, name: str) -> ModuleType:
        """Loads a module, or gives it again."""
        if name not in self._modules:
            origin = str(importlib.import_module(name).__file__)
            source = Path(origin).read_text(encoding="utf-8")
            if self._planted is not None and name.endswith(self._planted[0]):
                assert source.count(self._planted[1]) == 1, f"{self._planted[1]!r} is not (once) in {name}"
                source = source.replace(*self._planted[1:])
            self._modules[name] = module = ModuleType(name)
            module.__file__ = origin
            vars(module)["__point__"] = point
            vars(module)["__builtins__"] = vars(builtins) | {"__import__": self._import, "set": OrderedSet}
            tree = ast.fix_missing_locations(_WithPoints().visit(ast.parse(source)))
            exec(compile(tree, origin, "exec"), vars(module))  # noqa: S102 - our own source
            vars(module).update({one: it for one, it in self._replaced.items() if one in vars(module)})
        return self._modules[name]

    def _import(self, name: str, *given: Any) -> object:
        if name in self._fakes:
            return self._fakes[name]
        if name.startswith(self._package) or (name.startswith("imgcls_") and _uses_threads(name)):
            return self.module(name)
        return builtins.__import__(name, *given)


@functools.cache
def _uses_threads(name: str) -> bool:
    return "\nimport threading\n" in Path(str(importlib.import_module(name).__file__)).read_text(encoding="utf-8")
