"""The alerts in the admin: the strip on the dashboard, the list with its history, the actions, and the rules."""

from __future__ import annotations

import datetime as dt
import re
from html import unescape

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext

from syncjobs.choices import AlertRuleName as Rule
from syncjobs.choices import QueueName, Role
from syncjobs.engine import clock
from syncjobs.models import Alert, AlertRound, AlertRule, AuditEntry, Worker
from syncjobs.operations import alerts, suggestions
from tests.clients import DIALOG, MOST_QUERIES, PART, logged_in
from tests.factories import HOSTILE, PERSON, make_alert, make_band, queue_job

pytestmark = pytest.mark.django_db
LIST, RULES = "/admin/syncjobs/alert/", "/admin/syncjobs/alertrule/"


@pytest.fixture
def moderator() -> Client:
    return logged_in(Role.MODERATOR)


def page(client: Client, url: str, **headers: str) -> str:
    answer = client.get(url, headers=headers)
    assert answer.status_code == 200, answer.content[:300]
    return unescape(answer.content.decode())


def strip(client: Client) -> str:
    return page(client, "/admin/?part=attention", **PART)


def band_alerts(count: int) -> None:
    for number in range(count):
        make_alert(
            Rule.BAND_FAILING, str(number), subject_type="band", subject_label=f"Band {number}", facts={"failures": 3}
        )


def texts_of(strip: str) -> list[str]:
    return re.findall(r"<strong[^>]*>(.*?)</strong>", strip)


def test_the_strip_shows_the_worst_first_each_with_its_button(moderator: Client) -> None:
    make_alert()
    make_alert(
        Rule.QUOTA_EXHAUSTED, "main", subject_type="bucket", severity="CRITICAL", facts={"until": None, "jobs": 2}
    )
    shown = strip(moderator)
    assert texts_of(shown) == [
        "The main quota is used up until an unknown time. 2 jobs wait for it.",
        "The clock of w@a is 7 s ahead of the database's.",
    ]
    assert "Synchronize the hosts' clocks (NTP)." in shown
    assert 'href="/admin/quota/"' in shown
    assert f"acknowledge/?id={Alert.objects.get(rule=Rule.CLOCK_SKEW).pk}" in shown


def test_alerts_of_freshness_lead_to_the_bands_and_to_what_helps(moderator: Client) -> None:
    make_alert(Rule.VIDEOS_LATE, subject_type="site", facts={"minutes": 40})
    make_alert(Rule.PUSH_OFF, subject_type="site", facts={"percent": 50, "problem": ""})
    late = {"/admin/bands/band/?late=40", "/admin/bands/band/feeds/"}
    both = {"/admin/?part=freshness#part-freshness"}
    for client, urls in (
        (moderator, late | both),
        (logged_in(Role.ADMIN), late | both | {"/admin/bands/band/subscribe/"}),
    ):
        found = set(re.findall(r'class="btn btn-small[^"]*"\s+href="(/admin/[^"]*)"', strip(client)))
        assert {url for url in found if "/alert/" not in url} == urls
        assert all(client.get(url).status_code == 200 for url in urls)


def test_alerts_about_a_band_and_its_error_share_a_line_with_the_fix(moderator: Client) -> None:
    band, other = make_band("herons", "@herons"), make_band("owls", "@owls")
    make_alert(Rule.NEW_ERROR, "f00", subject_type="error", subject_label="Channel not found: <id>")
    make_alert(Rule.BAND_STALE, f"{band.pk}", subject_type="band", subject_label="Herons", facts={"since": None})
    failing = {"failures": 3, "reason": "channelNotFound", "group": "f00", "error": "Channel not found: @herons"}
    make_alert(Rule.BAND_FAILING, f"{band.pk}", subject_type="band", subject_label="Herons", facts=failing)
    admin = logged_in(Role.ADMIN)
    shown = strip(admin)
    assert texts_of(shown) == ["The last 3 syncs of Herons have failed. Last error: Channel not found: @herons"]
    assert "Herons has never been synced." in shown
    assert "paste its address into the band" in shown
    assert re.search(rf'href="/admin/bands/band/{band.pk}/edit/#id_youtube_channel"[^>]*>Change the channel<', shown)
    assert re.search(r'href="/admin/syncjobs/alert/\?state=attention">\s*3 alerts\s*<', shown)
    assert "Alerts about the same thing share an entry: 1 entry" in shown
    suggestions.suggest(PERSON, other.pk, "@owls2")
    # It is an entry too, and counted by its own name.
    link = rf'<a [^>]*href="/admin/bands/band/{other.pk}/change/"[^>]*>'
    assert re.search(rf"3 alerts\s*</a>\s*·\s*{link}\s*1 suggested", strip(admin))
    assert "suggested" not in strip(moderator)
    (url,) = re.findall(r'href="(/admin/syncjobs/alert/acknowledge/[^"]+)"', shown)
    (ids,) = re.findall(r'name="ids" value="([^"]+)"', page(moderator, url, **DIALOG))
    assert sorted(map(int, ids.split(","))) == sorted(Alert.objects.values_list("pk", flat=True))
    # Who may not change the channel is told whom to ask. An error of two bands has a line of its own.
    assert "Ask an admin (ADMIN@example) to do this: Find the band" in strip(moderator)
    make_alert(Rule.BAND_FAILING, f"{other.pk}", subject_type="band", subject_label="Owls", facts=failing)
    assert len(texts_of(strip(moderator))) == 3


def test_what_the_last_round_has_not_found_any_more_is_probably_over(moderator: Client) -> None:
    since = clock.now() - dt.timedelta(days=2)
    make_alert(Rule.WORKER_SILENT, facts={"since": since.isoformat()}, last_seen_at=Now())
    AlertRound.objects.update(began_at=Now(), ended_at=Now())
    shown = strip(moderator)
    assert f"Worker w@a has not responded since {since:%Y-%m-%d %H:%M} UTC." in shown
    assert f'datetime="{since:%Y-%m-%dT%H:%M}' in shown, "it counts from when it began"
    Alert.objects.update(last_seen_at=Now() - dt.timedelta(seconds=15))
    shown = strip(moderator)
    assert "Probably over: Worker w@a has not responded since" in shown
    assert "It was last found at" in shown
    assert "Restart it" not in shown


def test_a_quiet_site_says_so(moderator: Client) -> None:
    Worker.objects.create(name="w@a", process_id=1, queues=QueueName.values, concurrency=2)
    AlertRound.objects.update(ended_at=Now())
    assert "Nothing needs attention" in strip(moderator)
    make_alert(acknowledged_at=clock.now(), acknowledged_by="pat")
    shown = strip(moderator)
    assert "Nothing needs attention" in shown
    assert re.search(r'href="/admin/syncjobs/alert/\?state=unresolved">\s*1 acknowledged or snoozed', shown)


def test_many_alerts_of_a_kind_share_a_line_that_acknowledges_all_of_them(moderator: Client) -> None:
    band_alerts(30)
    shown = strip(moderator)
    assert texts_of(shown) == ["Band failing (30): Band 29, Band 28, Band 27, Band 26, …"]
    (url,) = re.findall(r'href="(/admin/syncjobs/alert/acknowledge/[^"]+)"', shown)
    question = page(moderator, url, **DIALOG)
    assert "and 25 more" in question
    (ids,) = re.findall(r'name="ids" value="([^"]+)"', question)
    band_alerts_before = Alert.objects.count()
    make_alert(Rule.BAND_FAILING, "later", subject_type="band", facts={"failures": 3})
    assert moderator.post(url, {"ids": ids, "note": "The network"}, headers=DIALOG).status_code == 204
    assert Alert.objects.exclude(acknowledged_at=None).count() == band_alerts_before == 30
    assert Alert.objects.needing_attention().get().subject_id == "later"


def test_the_strip_shows_what_has_just_stopped_answering_until_a_round_has_seen_it(moderator: Client) -> None:
    Worker.objects.create(
        name="w@a", process_id=1, queues=["video-sync"], concurrency=1, heartbeat_at=Now() - dt.timedelta(seconds=30)
    )
    assert texts_of(strip(moderator)) == ["Worker w@a does not respond."]
    alert = make_alert(Rule.WORKER_SILENT, facts={"since": None, "others": False}, severity="CRITICAL")
    assert texts_of(strip(moderator)) == ["Worker w@a has not responded since an unknown time."]
    alerts.acknowledge(PERSON, [alert.pk])
    assert texts_of(strip(moderator)) == []


def test_the_strip_takes_the_place_of_the_notes_on_the_dashboard(moderator: Client) -> None:
    queue_job()
    assert "No worker is running for Video sync" in strip(moderator)
    dashboard = page(moderator, "/admin/")
    assert dashboard.count("No worker is running for Video sync") == 1
    assert "data-urgent" in dashboard
    assert "No worker is running" in page(moderator, "/admin/syncjobs/syncjob/")
    assert "No worker is running" not in page(moderator, "/admin/health/?quiet=1")


def test_the_number_is_in_the_navigation_and_in_the_title(moderator: Client) -> None:
    plain = page(moderator, "/admin/bands/band/")
    assert "<title>Bands" in plain
    assert re.search(r'id="alert-count"[^>]*hidden', plain)
    make_alert(severity="CRITICAL")
    make_alert(subject_id="b@a")
    shown = page(moderator, "/admin/bands/band/")
    assert "<title>(2) Bands" in shown
    assert re.search(r'id="alert-count"[^>]*data-critical[^>]*>2</span>', shown)


def test_who_may_not_resume_a_queue_gets_no_such_button() -> None:
    make_alert(Rule.QUEUE_PAUSED, "video-sync", subject_type="queue", facts={"since": None, "by": "pat", "reason": ""})
    assert "/queue/video-sync/resume/" in strip(logged_in(Role.ADMIN))
    assert "/queue/video-sync/resume/" not in strip(logged_in(Role.MODERATOR))


def test_the_list_has_a_history_and_filters(moderator: Client) -> None:
    make_alert()
    make_alert(subject_id="over@a", resolved_at=clock.now())
    make_alert(subject_id="mine@a", acknowledged_at=clock.now(), acknowledged_by="pat", note="Ordered a clock")
    shown = page(moderator, LIST)
    assert re.findall(r">The clock of (\S+) is", shown) == ["mine@a", "w@a", "over@a"]
    assert "Ordered a clock" in shown
    assert len(re.findall(r'<div>\s*<span class="badge badge-\w+">.*?Warning</span>\s*</div>', shown)) == 3
    assert re.findall(r">The clock of (\S+) is", page(moderator, f"{LIST}?state=resolved")) == ["over@a"]
    assert re.findall(r">The clock of (\S+) is", page(moderator, f"{LIST}?state=attention&rule=clock_skew")) == ["w@a"]
    assert "No matching alerts" in page(moderator, f"{LIST}?rule=band_stale")


def test_hostile_names_are_only_text(moderator: Client) -> None:
    make_alert(subject_id=HOSTILE)
    for url in ("/admin/", LIST, f"{LIST}{Alert.objects.get().pk}/change/"):
        assert HOSTILE not in moderator.get(url).content.decode()


def test_an_alert_is_acknowledged_snoozed_and_shown_with_what_people_did(moderator: Client) -> None:
    alert = make_alert()
    chosen = {"ids": str(alert.pk)}
    assert moderator.post(f"{LIST}acknowledge/?id={alert.pk}", chosen | {"note": "Mine"}).status_code == 302
    assert moderator.post(f"{LIST}snooze/?id={alert.pk}", chosen | {"hours": "24"}).status_code == 302
    alert.refresh_from_db()
    assert alert.note == "Mine"
    assert alert.snoozed_until is not None
    assert dt.timedelta(hours=23) < alert.snoozed_until - clock.now() <= dt.timedelta(hours=24)
    shown = page(moderator, f"{LIST}{alert.pk}/change/")
    assert "Acknowledged an alert" in shown
    assert "Snoozed an alert" in shown
    assert moderator.post(f"{LIST}reopen/?id={alert.pk}", chosen).status_code == 302
    assert moderator.post(f"{LIST}unsnooze/?id={alert.pk}", chosen).status_code == 302
    assert Alert.objects.needing_attention().get() == alert
    assert AuditEntry.objects.filter(target_type="alert", target_id=str(alert.pk)).count() == 4


def test_selected_alerts_are_changed_at_once(moderator: Client) -> None:
    band_alerts(24)
    over = make_alert(subject_id="over@a", resolved_at=clock.now())
    first, second, *_others = Alert.objects.unresolved().order_by("pk")
    shown = page(moderator, f"{LIST}?rule=band_failing&per=20")
    assert shown.count(' name="id"') == 20
    assert "Select all 24" in shown
    assert ' name="id"' not in page(moderator, f"{LIST}?state=resolved")
    url = f"{LIST}snooze/?rule=band_failing&id={first.pk}&id={second.pk}&id={over.pk}"
    (ids,) = re.findall(r'name="ids" value="([^"]+)"', page(moderator, url, **DIALOG))
    answer = moderator.post(url, {"ids": ids, "hours": "1"}, headers=DIALOG)
    assert "2 alerts snoozed; 1 refused: This alert is already over. Snoozed until" in answer.headers["HX-Trigger"]
    assert set(Alert.objects.exclude(snoozed_until=None)) == {first, second}
    assert "Snoozed an alert" in page(moderator, f"{LIST}{second.pk}/change/")
    make_alert()
    url = f"{LIST}acknowledge/?rule=band_failing&all=1&id={first.pk}"
    (ids,) = re.findall(r'name="ids" value="([^"]+)"', page(moderator, url, **DIALOG))
    assert "24 alerts acknowledged." in moderator.post(url, {"ids": ids}, headers=DIALOG).headers["HX-Trigger"]
    assert Alert.objects.needing_attention().get().rule == Rule.CLOCK_SKEW
    assert AuditEntry.objects.filter(target_type="alerts").count() == 2
    assert "No alert is selected." in page(moderator, moderator.get(f"{LIST}acknowledge/").headers["Location"])


def test_an_alert_that_is_over_can_not_be_acknowledged(moderator: Client) -> None:
    alert = make_alert(resolved_at=clock.now())
    answer = moderator.post(f"{LIST}acknowledge/?id={alert.pk}", {"ids": str(alert.pk), "note": ""}, headers=DIALOG)
    assert "already over" in answer.headers["HX-Trigger"]
    assert moderator.get(f"{LIST}acknowledge/?id=999").status_code == 404
    assert moderator.get(f"{LIST}999/change/").status_code == 404


def test_admins_change_rules_and_moderators_see_them(moderator: Client) -> None:
    assert "hours since a band was last synced" in page(moderator, RULES)
    assert moderator.get(f"{RULES}band_stale/change/").status_code == 403
    admin = logged_in(Role.ADMIN)
    assert "Default: 48" in page(admin, f"{RULES}band_stale/change/")
    values = {"is_enabled": "on", "threshold": "72", "resolve_after": ""}
    assert admin.post(f"{RULES}band_stale/change/", values).status_code == 302
    rule = AlertRule.objects.get(pk="band_stale")
    assert (rule.is_enabled, rule.threshold, rule.resolve_after) == (True, 72.0, None)
    answer = admin.post(f"{RULES}band_stale/change/", {"threshold": "0.5"})
    assert answer.status_code == 422
    assert "Must be from 1 to 8760: hours since a band was last synced." in answer.content.decode()
    assert 'name="threshold"' not in page(admin, f"{RULES}no_worker/change/")
    assert admin.get(f"{RULES}nonsense/change/").status_code == 404
    assert "72 hours since a band was last synced" in re.sub(r"<[^>]+>", "", page(moderator, RULES))


def test_the_pages_take_few_queries(moderator: Client) -> None:
    band_alerts(40)
    for rule in Rule:
        make_alert(rule, subject_type="site", facts={})
    Worker.objects.create(
        name="w@a", process_id=1, queues=["video-sync"], concurrency=1, heartbeat_at=Now() - dt.timedelta(seconds=30)
    )
    for url in ("/admin/?part=attention", LIST, RULES):
        moderator.get(url)
        with CaptureQueriesContext(connection) as queries:
            moderator.get(url, headers=PART if "part" in url else {})
        assert len(queries) <= MOST_QUERIES, (url, len(queries))


def test_who_has_no_role_sees_no_alerts() -> None:
    client = logged_in()
    assert client.get(LIST).status_code == 403
    assert client.post(f"{LIST}acknowledge/?id=1", {"ids": "1"}).status_code == 403
