"""The Django admin: our site, and one module for each thing it shows. Importing it registers the admin classes."""

from . import (  # noqa: F401
    alert_channels,
    alerts,
    audit,
    bands,
    bulk,
    errors,
    jobs,
    people,
    presets,
    queues,
    raw,
    schedules,
    videos,
    workers,
)
