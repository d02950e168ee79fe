"""MODEL as code of the user's own: FILE.py:FACTORY or package.module:FACTORY, with arguments. Runs none of it."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Final

from imgcls_networks.errors import RequestError

_CALL: Final = re.compile(
    r"(?P<place>.+?\.py|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):(?P<factory>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?P<call>\(.*\))?",
    re.DOTALL,
)
_MOST_LISTED: Final = 8


@dataclass(frozen=True)
class FactoryReference:
    """A function, class or method of a user's own that gives the network, or a network itself.

    Args:
        place: a Python file, or the name of a module.
        factory: its name there, with dots where it is a class's.
        args: what it is called with.
        options: what it is called with, by name.
    """

    place: Path | str
    factory: str
    args: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def holds_weights(self) -> None:
        """A checkpoint may be given."""

    @property
    def name(self) -> str:
        """Short name, used for the output file."""
        return self.place.stem if isinstance(self.place, Path) else self.place.rpartition(".")[2]

    def __str__(self) -> str:
        given = [repr(value) for value in self.args] + [f"{name}={value!r}" for name, value in self.options.items()]
        place = self.place.name if isinstance(self.place, Path) else self.place
        return f"{place}:{self.factory}" + (f"({', '.join(given)})" if given else "")


def parse_factory(text: str) -> FactoryReference | None:
    """Reads a factory and its arguments; None where the text has another form.

    Raises:
        RequestError: no such file or module, a file without a factory, or arguments that are not plain values.
    """
    if found := _CALL.fullmatch(text):
        place: Path | str = Path(found["place"]) if found["place"].endswith(".py") else found["place"]
        if isinstance(place, Path) and not place.is_file():
            raise RequestError(
                f"There is no file {str(place)!r}; FILE.py:FACTORY names a Python file and a function in it."
            )
        top, searched = found["place"].partition(".")[0], [str(Path.cwd()), *sys.path]
        if isinstance(place, str) and PathFinder.find_spec(top, searched) is None:
            raise RequestError(
                f"There is no module {place!r}, neither here ({Path.cwd()}) nor installed; `{text}` would be read as "
                "package.module:FACTORY. Begin where the package lies, or write FILE.py:FACTORY."
            )
        args, options = _arguments(found["factory"], found["call"]) if found["call"] else ((), {})
        return FactoryReference(place, found["factory"], args, options)
    if ".py:" not in text and not text.endswith(".py"):
        return None
    file = text.partition(".py")[0] + ".py"
    candidates = _candidates(Path(file)) if Path(file).is_file() else []
    it = f"it has {', '.join(candidates[:_MOST_LISTED])}: write " if candidates else "write "
    first = candidates[0].partition("(")[0] if candidates else "FACTORY"
    raise RequestError(
        f"{text!r} names no factory; {it}`{file}:{first}` or `{file}:FACTORY(num_classes=10)`, a function or "
        "class that gives the network."
    )


def _arguments(factory: str, call: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    try:
        parsed = ast.parse(f"f{call}", mode="eval").body
        if not isinstance(parsed, ast.Call) or not isinstance(parsed.func, ast.Name):
            raise ValueError
        args = tuple(ast.literal_eval(value) for value in parsed.args)
        options = {keyword.arg or "**": ast.literal_eval(keyword.value) for keyword in parsed.keywords}
        if "**" in options:
            raise ValueError
    except (ValueError, SyntaxError) as error:
        raise RequestError(
            f"The arguments of `{factory}{call}` must be plain values (numbers, texts, True, None, lists): "
            "they are read, never run."
        ) from error
    return args, options


def _candidates(path: Path) -> list[str]:
    """Names the functions and classes at a file's top with their arguments, without running it."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (SyntaxError, ValueError, OSError):
        return []
    found: list[str] = []
    for one in body:
        if isinstance(one, ast.FunctionDef) and not one.name.startswith("_"):
            found.append(f"{one.name}({ast.unparse(one.args)})")
        elif isinstance(one, ast.ClassDef) and not one.name.startswith("_"):
            made = next((m for m in one.body if isinstance(m, ast.FunctionDef) and m.name == "__init__"), None)
            given = re.sub(r"^\w+(, )?", "", ast.unparse(made.args)) if made else ""
            found.append(f"{one.name}({given})")
    return found
