"""The site, with the views it is compared with: `uvicorn tests.bench.site:application`."""

from __future__ import annotations

from django.conf import settings

from syncmonitor.asgi import application as application

settings.ROOT_URLCONF = "tests.bench.stock"
settings.DEBUG = False  # or every statement would be remembered
