"""All settings as a table."""

from __future__ import annotations

from typing import Any

from imgcls_serve.settings import PREFIX, Settings


def settings_table() -> str:
    """Gives all settings as a Markdown table: variable, default, what is allowed, what it does."""
    properties = Settings.model_json_schema()["properties"]
    rows = ["| variable | default | allowed | what |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        value = str(field.default).lower() if isinstance(field.default, bool) else field.default
        default = "" if value is None else f"`{value}`"
        rows.append(f"| `{PREFIX}{name.upper()}` | {default} | {_allowed(properties[name])} | {field.description} |")
    return "\n".join(rows)


def _allowed(schema: dict[str, Any]) -> str:
    options: list[dict[str, Any]] = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    (kind,) = options
    if "enum" in kind:
        return ", ".join(f"`{one}`" for one in kind["enum"])
    if kind["type"] == "boolean":
        return "`true`, `false`"
    if kind["type"] not in {"integer", "number"}:
        return {"path": "path", "password": "text"}.get(kind.get("format", ""), "text")
    low = f"above {kind['exclusiveMinimum']:,}" if "exclusiveMinimum" in kind else f"{kind['minimum']:,}"
    return f"{low} to {kind['maximum']:,}"
