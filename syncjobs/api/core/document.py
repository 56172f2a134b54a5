"""Finish the OpenAPI document, so that client generators make types that compile and requests that leave options out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .examples import EXAMPLES
from .schema import ERROR, REFUSALS, TAGS, error_example

_RETRY_AFTER = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}


def complete(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add what drf-spectacular doesn't know, and reshape what generators don't understand: a hook of drf-spectacular."""
    document = result
    document["servers"] = [{"url": "/", "description": "This site"}]
    document["tags"] = [{"name": name} for name in dict.fromkeys(TAGS.values())]
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Error"] = ERROR
    components["responses"] = {f"Error{status}": _refusal(status) for status in REFUSALS}
    components["securitySchemes"] = {"jwt": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    for name in list(schemas):
        if name.endswith("Request"):
            _make_defaults_optional(schemas[name])
        if {"oneOf", "properties"} <= schemas[name].keys():
            _split(schemas, name)
    for name, example in EXAMPLES.items():
        schemas[name]["examples"] = [example]
    for operation in _operations(document):
        # Without the key, the operation would be understood to need what the others need.
        operation.setdefault("security", [])
        for parameter in operation.get("parameters", ()):
            _finish_parameter(schemas, parameter)
    _strip(document)
    return document


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from path.values()


def _refusal(status: int) -> dict[str, Any]:
    content = {"schema": {"$ref": "#/components/schemas/Error"}, "example": error_example(status)}
    refusal = {"description": REFUSALS[status][0], "content": {"application/json": content}}
    return refusal | ({"headers": _RETRY_AFTER} if status in (429, 503) else {})


def _make_defaults_optional(schema: dict[str, Any]) -> None:
    """Say in words what the default of a body's key is: generators take a key with a default for one that is always there."""
    for described in schema.get("properties", {}).values():
        if (default := described.pop("default", None)) not in (None, ""):
            text = f"{described.get('description', '')} Default: {json.dumps(default).strip(chr(34))}."
            described["description"] = text.strip()


def _split(schemas: dict[str, Any], name: str) -> None:
    """Make a schema of each alternative of an object.

    Generators ignore either the alternatives or the properties of a schema that has both. An alternative without a title
    needs one of several keys. One with a title replaces the schemas of some keys; False removes the key.
    """
    whole = schemas[name]
    alternatives = whole.pop("oneOf")
    keys = [alternative["required"][0] for alternative in alternatives if "title" not in alternative]
    references = []
    for alternative in alternatives:
        required = alternative.get("required", [])
        if title := alternative.get("title"):
            changes = alternative["properties"]
        else:
            title = f"With{required[0][0].upper()}{required[0][1:]}"
            changes = dict.fromkeys(keys, False) | {required[0]: _without_null(whole["properties"][required[0]])}
        properties = {
            key: changes.get(key, described)
            for key, described in whole["properties"].items()
            if changes.get(key) is not False
        }
        part = f"{name.removesuffix('Request')}{title}Request"
        needed = dict.fromkeys([*whole.get("required", ()), *required])
        schemas[part] = whole | {"properties": properties, "required": list(needed)}
        references.append({"$ref": f"#/components/schemas/{part}"})
    schemas[name] = {"oneOf": references, "description": whole.get("description", "")}


def _without_null(described: dict[str, Any]) -> Any:
    """Return the schema of a nullable object without null; others as they are."""
    objects = [each for each in described.get("oneOf", ()) if each != {"type": "null"}]
    return objects[0] if len(objects) == 1 else described


def _finish_parameter(schemas: dict[str, Any], parameter: dict[str, Any]) -> None:
    if parameter["in"] == "query":
        parameter["allowEmptyValue"] = True
    if parameter["name"] == "result":
        # Generators name the type of a list's answer and that of an inline parameter "result" alike.
        schemas["AuditResult"] = parameter["schema"]
        parameter["schema"] = {"$ref": "#/components/schemas/AuditResult"}


def _strip(node: Any) -> None:
    """Remove drf-spectacular's internal keys."""
    if isinstance(node, dict):
        node.pop("x-spec-enum-id", None)
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _strip(each)
