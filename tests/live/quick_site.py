"""The site, whose streams check permissions and health so often that tests need not wait for it."""

from syncmonitor.asgi import application

from syncjobs.live import hub  # isort: skip - needs the set-up that the line above does

__all__ = ["application"]

hub.RIGHTS_SECONDS = 0.2
hub.HEALTH_SECONDS = 0.2
hub.HEARTBEAT_SECONDS = 0.5
