"""The site, whose streams check permissions so often that tests need not wait for it."""

from syncmonitor.asgi import application

from syncjobs.live import hub  # isort: skip - needs the set-up that the line above does

__all__ = ["application"]

hub.RIGHTS_SECONDS = 0.2
