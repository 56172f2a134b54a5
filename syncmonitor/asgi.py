"""The ASGI application: `uvicorn syncmonitor.asgi:application`."""

import os

from django.core.asgi import get_asgi_application

from . import embedded

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "syncmonitor.settings")
os.environ.setdefault("DATABASE_POOL_SIZE", "20")
embedded.ensure()

application = get_asgi_application()
