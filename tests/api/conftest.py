from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from django.conf import LazySettings
from django.core.wsgi import get_wsgi_application
from django.db.models import QuerySet
from django_celery_beat.models import PeriodicTask
from pytest_django import DjangoDbBlocker
from rest_framework.throttling import SimpleRateThrottle

from bands.models import Band
from syncjobs.choices import AlertRuleName, Role
from syncjobs.models import (
    Alert,
    AlertChannel,
    AlertDelivery,
    BulkAction,
    ChannelSuggestion,
    ErrorGroup,
    FilterPreset,
    SyncJob,
    Worker,
)
from syncjobs.operations import errors, schedules, triggers
from tests.alerts.channels import make_channel
from tests.api import schema_hooks  # noqa: F401 - registers its hook
from tests.browser import saved_world
from tests.clients import Api
from tests.factories import PERSON, make_alert


@pytest.fixture
def ids(monkeypatch: pytest.MonkeyPatch, settings: LazySettings) -> Callable[[str], list[str]]:
    """Fill the site with a busy day; return a function from a path parameter to the existing ids."""
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", {"login": None})
    settings.TRIGGERS_PER_MINUTE = 1_000_000
    saved_world.fill()
    errors.acknowledge_errors(PERSON, ErrorGroup.objects.earliest("pk").pk, "Fixed by the new handle.")
    triggers.trigger_sync(PERSON, None, full=False)
    FilterPreset.objects.create(name="shared", created_by="pat")
    schedules.save(PERSON, None, {"name": "Often", "job_type": "ENRICH", "interval": {"every": 6, "period": "hours"}})
    BulkAction.objects.create(action="retry", total=3, done=1, succeeded=1, job_ids=[1, 2, 3])
    make_alert()
    make_alert("band_failing", subject_type="band", subject_id="1", facts={"failures": 3})
    make_channel()
    known: dict[str, QuerySet[Any]] = {
        "job_id": SyncJob.objects.all(),
        "band_id": Band.objects.all(),
        "preset_id": FilterPreset.objects.all(),
        "schedule_id": PeriodicTask.objects.all(),
        "bulk_id": BulkAction.objects.all(),
        "alert_id": Alert.objects.all(),
        "channel_id": AlertChannel.objects.all(),
        "delivery_id": AlertDelivery.objects.all(),
        "suggestion_id": ChannelSuggestion.objects.all(),
        "fingerprint": ErrorGroup.objects.all(),
        "name": Worker.objects.all(),
    }
    return lambda name: (
        AlertRuleName.values if name == "rule" else [str(pk) for pk in known[name].values_list("pk", flat=True)]
    )


@pytest.fixture(scope="session")
def schema(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Any:
    with django_db_blocker.unblock():
        return schemathesis.openapi.from_wsgi("/api/schema", get_wsgi_application()).exclude(path="/api/admin/events")


@pytest.fixture
def moderator() -> Api:
    return Api(Role.MODERATOR)
