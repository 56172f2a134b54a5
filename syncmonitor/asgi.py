"""The ASGI application: `uvicorn syncmonitor.asgi:application`."""

import gc
import importlib
import os
import socket
import sys

import django

from . import embedded

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "syncmonitor.settings")
os.environ.setdefault("DATABASE_POOL_SIZE", "20")
# Settings that are refused start no services.
importlib.import_module("syncmonitor.settings")
embedded.ensure()

django.setup(set_prefix=False)

from syncjobs.alerts import courier, rounds  # noqa: E402 - needs the settings
from syncjobs.engine import clock  # noqa: E402
from syncjobs.freshness import tally  # noqa: E402

from .threads import OneThreadHandler  # noqa: E402

# A thread that computes, such as a preview of an import, lets others run five times as often as by default. A request waits
# for its turn after each of its queries.
sys.setswitchinterval(0.001)
application = OneThreadHandler()
clock.report_in_background("web")
rounds.watch_in_background()
# Messages leave the site even if no worker and no scheduler is left.
courier.start(f"web@{socket.gethostname()}")
tally.start()
# What every request needs, so that no full collection ever looks at it: each would stop all requests for a tenth of a second.
importlib.import_module("syncmonitor.urls")
gc.collect()
gc.freeze()
