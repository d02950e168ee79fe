"""Reading typed fields out of parsed JSON; a missing or mistyped field is named, never guessed."""

from typing import TypeGuard, cast

__all__ = [
    "FieldError",
    "as_list",
    "as_object",
    "integer",
    "is_list",
    "is_object",
    "number",
    "number_map",
    "objects",
    "optional_text",
    "text",
]

TYPE_NAMES: dict[str, str] = {
    "dict": "an object",
    "list": "a list",
    "str": "a text",
    "int": "a number",
    "float": "a number",
    "bool": "true/false",
    "NoneType": "null",
}


class FieldError(ValueError):
    """A field of a JSON document is missing or has another type than agreed."""


def describe(value: object) -> str:
    """Name the JSON type of a value as a reader of JSON would."""
    name = type(value).__name__
    return TYPE_NAMES.get(name, name)


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Say whether a parsed value is a JSON object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[object]]:
    """Say whether a parsed value is a JSON list."""
    return isinstance(value, list)


def as_object(value: object, name: str) -> dict[str, object]:
    """Take a value as a JSON object.

    Raises:
        FieldError: It is something else.
    """
    if not isinstance(value, dict):
        raise FieldError(f"{name} should be an object and is {describe(value)}")
    return cast("dict[str, object]", value)


def as_list(value: object, name: str) -> list[object]:
    """Take a value as a JSON list.

    Raises:
        FieldError: It is something else.
    """
    if not isinstance(value, list):
        raise FieldError(f"{name} should be a list and is {describe(value)}")
    return cast("list[object]", value)


def objects(document: dict[str, object], name: str) -> list[dict[str, object]]:
    """Take a field as a list of objects.

    Raises:
        FieldError: It is missing or something else.
    """
    return [as_object(item, f"{name}[{at}]") for at, item in enumerate(as_list(document.get(name), name))]


def text(document: dict[str, object], name: str) -> str:
    """Take a field as text.

    Raises:
        FieldError: It is missing or something else.
    """
    value = document.get(name)
    if not isinstance(value, str):
        raise FieldError(f"{name} should be a text and is {describe(value)}")
    return value


def optional_text(document: dict[str, object], name: str) -> str | None:
    """Take a field as text, or None where it is absent or null.

    Raises:
        FieldError: It is something else.
    """
    return None if document.get(name) is None else text(document, name)


def integer(document: dict[str, object], name: str) -> int:
    """Take a field as a whole number.

    Raises:
        FieldError: It is missing or something else.
    """
    value = document.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise FieldError(f"{name} should be a whole number and is {describe(value)}")
    return value


def number(document: dict[str, object], name: str) -> float:
    """Take a field as a number.

    Raises:
        FieldError: It is missing or something else.
    """
    value = document.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise FieldError(f"{name} should be a number and is {describe(value)}")
    return float(value)


def number_map(document: dict[str, object], name: str) -> dict[str, float]:
    """Take a field as an object whose values are all numbers.

    Raises:
        FieldError: It is missing or something else.
    """
    values = as_object(document.get(name), name)
    return {key: number(values, key) for key in values}
