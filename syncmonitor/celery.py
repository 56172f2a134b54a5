"""The Celery application. Workers and beat start the embedded services if the environment names no others."""

import logging
import os
import sys

from celery import Celery
from celery.signals import beat_init, celeryd_init, setup_logging
from django.conf import settings

from syncjobs.engine import log_context

from . import embedded

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "syncmonitor.settings")

app = Celery("syncmonitor", amqp="syncmonitor.amqp:AMQP")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def keep_logging(**_: object) -> None:
    """Keep Celery from changing the logs: a receiver of this signal is enough. LOG_LEVEL decides, not --loglevel."""
    logging.captureWarnings(True)


@celeryd_init.connect
def name_worker(sender: str, **_: object) -> None:
    """Let all log lines of the worker and its processes, which are forked later, name it."""
    log_context.bind_process(worker=sender)


@celeryd_init.connect
@beat_init.connect
def start_services(**_: object) -> None:
    embedded.ensure()


@celeryd_init.connect
def check_key(**_: object) -> None:
    """Refuse to start a worker that can't sync anything."""
    if not settings.YOUTUBE_API_KEY:
        sys.exit("YOUTUBE_API_KEY: set it to a key of the YouTube Data API v3; without it a worker can't sync.")
