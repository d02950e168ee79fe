"""As much of JSON Schema as OpenAPI documents of services like ours use: enough to catch one that is not true."""

from imgcls_client.json_fields import as_list, as_object, describe, is_list, is_object

__all__ = ["disagreements"]

JSON_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
Schema = dict[str, object]


def disagreements(value: object, schema: Schema, document: Schema, where: str = "answer") -> list[str]:
    """List where a value is not what a schema says.

    Args:
        value: Parsed JSON.
        schema: What it should be.
        document: The OpenAPI document, for references into it.
        where: Name of the value.
    """
    schema = resolved(schema, document)
    choices = [as_object(each, "schema") for each in as_list(schema.get("anyOf", schema.get("oneOf", [])), "anyOf")]
    if choices:
        tried = [disagreements(value, choice, document, where) for choice in choices]
        return [] if any(not found for found in tried) else min(tried, key=len)
    found = of_wrong_type(value, schema, where)
    if found:
        return found
    if is_object(value):
        return in_object(value, schema, document, where)
    items = schema.get("items")
    if is_list(value) and is_object(items):
        # The first few stand for all: a list of probabilities has thousands.
        for at, item in enumerate(value[:5]):
            found += disagreements(item, items, document, f"{where}[{at}]")
    return found


def resolved(schema: Schema, document: Schema) -> Schema:
    """Follow a reference."""
    while isinstance(schema.get("$ref"), str):
        target: object = document
        for part in str(schema["$ref"]).removeprefix("#/").split("/"):
            target = as_object(target, "reference").get(part, {})
        schema = as_object(target, "reference")
    return schema


def of_wrong_type(value: object, schema: Schema, where: str) -> list[str]:
    """Compare a value with the types, constants and choices that a schema names."""
    named = schema.get("type")
    types = [str(each) for each in (named if is_list(named) else [named] if named else [])]
    fits = any(isinstance(value, JSON_TYPES.get(each, (object,))) for each in types)
    if types and (not fits or (isinstance(value, bool) and "boolean" not in types)):
        return [f"{where} is {describe(value)}, described as {' or '.join(types)}"]
    if "const" in schema and value != schema["const"]:
        return [f"{where} is {value!r}, described as {schema['const']!r}"]
    if "enum" in schema and value not in as_list(schema["enum"], "enum"):
        return [f"{where} is {value!r}, which is none of the values described"]
    return []


def in_object(value: Schema, schema: Schema, document: Schema, where: str) -> list[str]:
    """Compare an object's fields."""
    found = [
        f"{where} lacks {name!r}, described as required"
        for name in as_list(schema.get("required", []), "required")
        if name not in value
    ]
    properties = as_object(schema.get("properties", {}), "properties")
    for name, field in value.items():
        if name in properties:
            found += disagreements(field, as_object(properties[name], name), document, f"{where}.{name}")
    return found
