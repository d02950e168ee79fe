"""Reads pickles and runs nothing that is in them: plain containers are built, all else is an inert stand-in.

A pickle is a program for a small machine, and its dangerous instruction is "call this". The machine here is our own: it
imports nothing and calls nothing, whatever a file says. What it was told to call is written down, with the arguments.
"""

from __future__ import annotations

import codecs
import pickletools
import re
from dataclasses import dataclass, field
from typing import IO, Any, Final, NoReturn, cast

# Each makes an object of at most some 200 bytes; a large optimizer's state takes a hundred thousand.
_MOST_STEPS: Final = 4_000_000
_LITERAL: Final = re.compile(
    "INT|BININT[12]?|LONG[14]?|(BIN)?FLOAT|(SHORT_)?(BIN)?(STRING|BYTES8?|UNICODE8?)|BYTEARRAY8"
)
_OPCODES: Final = {one.code: one for one in pickletools.opcodes}
_LITERALS: Final = frozenset(one.name for one in pickletools.opcodes if _LITERAL.fullmatch(one.name))
_CONSTANTS: Final[dict[str, Any]] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES: Final = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_SMALL: Final = 1 << 60  # greater whole numbers can share a hash, by which a dictionary becomes slow
PERSISTENT: Final = "persistent id"


class InertPickleError(ValueError):
    """The pickle is damaged, or holds more than any checkpoint or dataset does."""


@dataclass(slots=True, eq=False)
class Foreign:
    """Stands for something that a pickle names, or for what calling it would have given; can do nothing.

    Args:
        name: module and name, as `argparse.Namespace`.
        args: it would have been called with these.
        state: what the object would have been given to restore itself.
        items: what would have been put into it, where it is a dictionary of some kind.
        entries: the same, where it is a list of some kind.
    """

    name: str
    args: tuple[Any, ...] = ()
    state: Any = None
    items: dict[Any, Any] = field(default_factory=dict[Any, Any])
    entries: list[Any] = field(default_factory=list[Any])


@dataclass(frozen=True)
class InertPickle:
    """What a pickle held.

    Args:
        content: None, bool, int, float, str, bytes, tuple, list (sets too), dict and `Foreign`; objects may be shared
            and may contain themselves. Text of Python 2 is read as Latin-1.
        persistent: the ids of what lies outside the pickle, in its order; each is `Foreign(PERSISTENT, (id,))` in it.
    """

    content: Any
    persistent: list[Any]


def read_pickle(stream: IO[bytes]) -> InertPickle:
    """Reads one pickle of any protocol, and not a byte more.

    Raises:
        InertPickleError: it is damaged, or too large.
    """
    machine = _Machine()
    try:
        for _ in range(_MOST_STEPS):
            opcode = _OPCODES[stream.read(1).decode("latin1")]
            if opcode.name == "STOP":
                return InertPickle(machine.stack.pop(), machine.persistent)
            machine.step(opcode.name, _argument(opcode, stream))
    except InertPickleError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, EOFError, MemoryError) as error:
        raise InertPickleError(f"it is damaged ({error})") from error
    raise InertPickleError(f"it has more than {_MOST_STEPS:,} steps")


def _argument(opcode: pickletools.OpcodeInfo, stream: IO[bytes]) -> Any:  # noqa: ANN401 - a number, text or bytes
    if opcode.name == "STRING":  # may hold any bytes, which pickletools does not take
        return codecs.escape_decode(stream.readline().strip()[1:-1])[0].decode("latin1")
    return opcode.arg.reader(stream) if opcode.arg else None


class _Machine:
    """Stack, marks and memo, as `pickletools` describes them."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.persistent: list[Any] = []
        self._below: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:  # noqa: ANN401, C901 - one branch for each instruction
        """Does what one instruction says, short of calling anything."""
        push, pop, stack = self.stack.append, self.stack.pop, self.stack
        if name in _LITERALS:
            push(bytes(argument) if name == "BYTEARRAY8" else argument)
        elif name in {"MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"}:
            self._memo[len(self._memo) if argument is None else argument] = stack[-1]
        elif name in {"GET", "BINGET", "LONG_BINGET"}:
            push(self._memo[argument])
        elif name in _CONSTANTS:
            push(_CONSTANTS[name])
        elif name == "MARK":
            self._below.append(stack)
            self.stack = []
        elif name in {"EMPTY_DICT", "EMPTY_LIST", "EMPTY_SET", "EMPTY_TUPLE"}:
            push({} if name == "EMPTY_DICT" else () if name == "EMPTY_TUPLE" else [])
        elif name in _TUPLES:
            push(tuple([pop() for _ in range(_TUPLES[name])][::-1]))
        elif name in {"TUPLE", "LIST", "FROZENSET", "DICT"}:
            marked = self._to_mark()
            made: Any = tuple(marked) if name == "TUPLE" else {} if name == "DICT" else marked
            if name == "DICT":
                _put(made, marked)
            self.stack.append(made)
        elif name in {"SETITEM", "SETITEMS"}:
            pairs = [pop(), pop()][::-1] if name == "SETITEM" else self._to_mark()
            _put(self.stack[-1], pairs)
        elif name in {"APPEND", "APPENDS", "ADDITEMS"}:
            new = [pop()] if name == "APPEND" else self._to_mark()
            target = self.stack[-1]
            (target.entries if isinstance(target, Foreign) else target).extend(new)
        elif name in {"GLOBAL", "STACK_GLOBAL"}:
            push(Foreign(".".join(map(str, [pop(), pop()][::-1])) if argument is None else _dotted(argument)))
        elif name in {"REDUCE", "NEWOBJ", "NEWOBJ_EX"}:
            if name == "NEWOBJ_EX":
                pop()  # the named arguments
            args, called = pop(), pop()
            push(_called(called, args))
        elif name in {"INST", "OBJ"}:
            marked = self._to_mark()
            called = Foreign(_dotted(argument)) if name == "INST" else marked.pop(0)
            self.stack.append(_called(called, tuple(marked)))
        elif name == "BUILD":
            state = pop()
            if isinstance(stack[-1], Foreign):
                stack[-1].state = state
        elif name in {"PERSID", "BINPERSID"}:
            saved_id: Any = argument if name == "PERSID" else pop()
            self.persistent.append(saved_id)
            # PyTorch before 1.6 wrote a module's class as ("module", class, file, source).
            is_class = isinstance(saved_id, tuple) and len(saved_id) > 1 and saved_id[0] == "module"
            push(cast("tuple[Any, ...]", saved_id)[1] if is_class else Foreign(PERSISTENT, (saved_id,)))
        elif name in {"POP", "POP_MARK"}:
            if name == "POP" and stack:
                pop()
            else:
                self._to_mark()
        elif name == "DUP":
            push(stack[-1])
        elif name.startswith("EXT"):
            push(Foreign(f"extension {argument}"))
        elif name not in {"PROTO", "FRAME"}:
            _refuse(name)

    def _to_mark(self) -> list[Any]:
        """Gives what lies above the last mark and takes it off, with the mark."""
        marked = self.stack
        self.stack = self._below.pop()
        return marked


def _put(target: object, pairs: list[Any]) -> None:
    items = target.items if isinstance(target, Foreign) else target
    if not isinstance(items, dict):
        _refuse("SETITEMS")
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        plain = (
            key is None
            or isinstance(key, str | bytes | bool | float)
            or (isinstance(key, int) and -_SMALL < key < _SMALL)
        )
        # What could be deep, or slow to hash, is kept under a key that nothing else has.
        items[key if plain else Foreign(type(key).__name__)] = value


def _called(called: object, args: object) -> Foreign:
    if not isinstance(called, Foreign) or not isinstance(args, tuple):
        _refuse("REDUCE")
    return Foreign(called.name, args)


def _dotted(argument: str) -> str:
    return argument.replace(" ", ".", 1)


def _refuse(name: str) -> NoReturn:
    raise InertPickleError(f"it is damaged (the instruction {name} has no place there)")
