"""The first steps of a new site."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext, override_settings

from syncjobs.choices import Role
from syncjobs.models import AlertChannel, AuditEntry, Worker
from syncjobs.operations import checklist, schedules
from tests.clients import logged_in
from tests.factories import PERSON, make_band

pytestmark = pytest.mark.django_db
PART = {"HX-Request": "true"}
DISMISS = "/admin/checklist/dismiss/"


def _open(html: str) -> list[str]:
    """Return the steps on the page that are not done."""
    rows = re.findall(r'<li id="step-(\w+)".*?</li>', html, re.DOTALL)
    done = [row for row in rows if "badge-good" in html.split(f'id="step-{row}"')[1].split("</li>")[0]]
    return [row for row in rows if row not in done]


@override_settings(YOUTUBE_API_KEY="")
def test_the_steps_tick_themselves_off_and_link_to_where_they_are_done() -> None:
    schedules.list_schedules().update(enabled=False)
    admin = logged_in(Role.ADMIN)
    html = admin.get("/admin/").content.decode()
    assert _open(html) == ["key", "band", "worker", "schedule", "channel"]
    links = set(re.findall(r'href="(/admin/[^"]+)"', html.split('id="part-checklist"')[1].split("</section>")[0]))
    assert all(admin.get(link).status_code == 200 for link in links - {DISMISS})
    assert len(links) == 6
    make_band("herons", "@herons")
    schedules.save(PERSON, None, {"name": "Daily", "job_type": "FULL_SYNC", "cron": {"hour": "3"}})
    assert _open(admin.get("/admin/?part=checklist", headers=PART).content.decode()) == ["key", "worker", "channel"]
    # A worker does not start without a key, and has been seen even if it is silent now.
    Worker.objects.create(name="w1", process_id=1, queues=["maintenance"], concurrency=2)
    with CaptureQueriesContext(connection) as queries:
        assert checklist.remaining() == {step: step != "channel" for step in checklist.Step}
    assert len(queries) == 1
    # What is done makes room once little is left.
    html = admin.get("/admin/").content.decode()
    assert re.findall(r'<li id="step-(\w+)"', html) == ["channel"]
    assert "4 of 5 done" in html
    with override_settings(YOUTUBE_SIMULATED=True):
        assert _open(admin.get("/admin/").content.decode()) == ["key", "channel"]
    AlertChannel.objects.create(name="Operators", kind="EMAIL", address="ops@example.org")
    assert "part-checklist" not in admin.get("/admin/").content.decode()
    assert "all done" in admin.get("/admin/?part=checklist", headers=PART).content.decode()


def test_an_admin_dismisses_the_steps_for_everybody() -> None:
    moderator, admin, other = (logged_in(role) for role in Role)
    assert "part-checklist" not in moderator.get("/admin/").content.decode()
    assert moderator.post(DISMISS).status_code == 403
    assert "part-checklist" in other.get("/admin/").content.decode()
    assert "Dismiss the first steps?" in admin.get(DISMISS).content.decode()
    assert admin.post(DISMISS).headers["Location"] == "/admin/"
    assert not checklist.dismiss(PERSON)
    assert AuditEntry.objects.filter(action="dismiss_checklist").count() == 1
    for client in (admin, other):
        html = client.get("/admin/").content.decode()
        assert "part-checklist" not in html
        assert "Import bands" in html
