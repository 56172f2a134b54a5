"""The Celery application. Workers and beat start the embedded services if the environment names no others."""

import os

from celery import Celery
from celery.signals import beat_init, celeryd_init

from . import embedded

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "syncmonitor.settings")

app = Celery("syncmonitor")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@celeryd_init.connect
@beat_init.connect
def start_services(**_: object) -> None:
    embedded.ensure()
