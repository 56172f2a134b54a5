"""Sentry and OpenTelemetry, for sites that want them. Without their settings, nothing of either is imported."""

from __future__ import annotations

import importlib.util
from typing import Any


def problems(sentry_dsn: str, otel_endpoint: str) -> list[str]:
    """Return what is wrong with the two settings."""
    found = []
    if sentry_dsn:
        found += _missing("SENTRY_DSN", "sentry_sdk") or _wrong_dsn(sentry_dsn)
    if otel_endpoint:
        found += _missing("OTEL_EXPORTER_OTLP_ENDPOINT", "opentelemetry.exporter.otlp.proto.http")
        if not otel_endpoint.startswith(("http://", "https://")):
            found.append("OTEL_EXPORTER_OTLP_ENDPOINT: must be a URL, such as http://collector:4318.")
    return found


def _missing(name: str, module: str) -> list[str]:
    try:
        is_there = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        is_there = False
    return [] if is_there else [f"{name}: install requirements-observability.txt, or unset it."]


def _wrong_dsn(dsn: str) -> list[str]:
    from sentry_sdk.utils import BadDsn, Dsn

    try:
        Dsn(dsn)
    except BadDsn:
        return ["SENTRY_DSN: must be a URL with a key and a project, such as https://key@sentry.example.org/1."]
    return []


def start_sentry(dsn: str) -> None:
    """Report unexpected errors of this process to Sentry: no request bodies, cookies or values of variables."""
    import sentry_sdk

    sentry_sdk.init(
        dsn=dsn,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        before_send=_with_context,
    )


def _with_context(event: Any, hint: Any) -> Any:
    """Add what the log says of the work, and remove the API key and addresses of callbacks wherever they are."""
    from syncjobs.engine import log_context
    from syncjobs.engine.errors import without_secrets

    from . import access

    event.setdefault("tags", {}).update({name: str(value) for name, value in log_context.current().items() if value})
    if (request := access.current()) is not None:
        event["tags"]["request_id"] = request.id
    return _cleaned(event, lambda text: access.without_callbacks(without_secrets(text)))


def _cleaned(value: Any, clean: Any) -> Any:
    match value:
        case str():
            return clean(value)
        case dict():
            return {key: _cleaned(each, clean) for key, each in value.items()}
        case list() | tuple():
            return [_cleaned(each, clean) for each in value]
    return value
