"""Parse request bodies: JSON of a limited size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser

MAX_BYTES = 1_000_000


class TooLarge(APIException):
    """The body is longer than MAX_BYTES."""

    status_code = 413
    default_detail = f"A body must have at most {MAX_BYTES // 1_000_000} MB."
    default_code = "too_large"


class Parser(JSONParser):
    """A JSON parser that reports the position of an error, and refuses bodies that are too large or too deep."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        raw = stream.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise TooLarge
        try:
            return json.loads(
                raw.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_object_without_repeats
            )
        except UnicodeDecodeError:
            raise ParseError("The body is not UTF-8.") from None
        except RecursionError:
            raise ParseError("The body is nested too deeply.") from None
        except json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            raise ParseError(f"The body is not valid JSON: see {where}.") from None
        except ValueError:
            raise ParseError("The body is not valid JSON.") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object. If a key is given twice, nobody knows which value is meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _value in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ParseError(f"The body has the key “{repeated[:80]}” twice.")
    return found
