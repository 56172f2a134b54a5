"""Error groups in the admin: list, explanations and actions."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
from html import unescape
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bands.models import Band
from syncjobs.choices import QUEUE_OF_TYPE, JobType, Role
from syncjobs.engine import error_reasons, outcomes
from syncjobs.engine.errors import ErrorReport, record
from syncjobs.listing import filters as listing_filters
from syncjobs.models import AuditEntry, BulkAction, ErrorGroup, JobError, SyncJob
from syncjobs.operations import bulk, errors
from syncjobs.stats import errors as stats_errors
from syncjobs.youtube import errors as youtube_errors
from syncjobs.youtube.simulator import faults
from tests.clients import exported, logged_in
from tests.factories import PERSON, claim, make_band, queue_job

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
ROOT = Path(error_reasons.__file__).parents[1]


@pytest.fixture
def moderator() -> Client:
    return logged_in(Role.MODERATOR)


def fail(message: str, reason: str = "backendError", *, permanent: bool = True, slug: str = "") -> ErrorGroup:
    """Create a job that failed with this error."""
    band = make_band(slug) if slug else None
    kind = JobType.FULL_SYNC if band else JobType.PRUNE
    job = queue_job(kind, band=band)
    outcomes.fail(claim(QUEUE_OF_TYPE[kind]), message, reason=reason, permanent=permanent)
    return JobError.objects.get(job=job).group


def test_every_reason_in_the_code_has_an_explanation() -> None:
    code = "".join(path.read_text() for folder in ("sync", "youtube") for path in (ROOT / folder).rglob("*.py"))
    code += (ROOT / "engine/outcomes.py").read_text()
    found = set(re.findall(r'(?:SyncFailed|ErrorReport|TransientError|ConfigurationError)\(\s*"(\w+)"', code))
    found |= set(re.findall(r'reason="(\w+)"', code))
    found |= youtube_errors._QUOTA | youtube_errors._RATE | youtube_errors._CONFIGURATION
    found |= youtube_errors._RPC_CODES | {reason for _status, reason, *_rest in faults.ERRORS.values()}
    assert {"workerLost", "internalError", "channelNotFound", "timeout", "keyMissing", "quotaExceeded"} <= found
    assert not [reason for reason in sorted(found) if error_reasons.explain(reason) is error_reasons._UNKNOWN]
    for reason, title in (("http503", "YouTube is busy"), ("http404", "Not YouTube's response")):
        assert str(error_reasons.explain(reason).title) == title
    assert error_reasons.explain("somethingNew") is error_reasons._UNKNOWN


@pytest.mark.parametrize(
    "action", ["change/", "acknowledge/", "resolve/", "ignore/", "assign/", "note/", "reopen/", "retry/"]
)
def test_permissions(action: str) -> None:
    group = fail("It broke.")
    if action == "reopen/":
        errors.resolve_errors(PERSON, group.pk, "")
    url = f"/admin/syncjobs/errorgroup/{group.pk}/{action}"
    assert Client().get(url).status_code == 302
    nobody = logged_in()
    assert nobody.get(url).status_code == nobody.get("/admin/syncjobs/errorgroup/").status_code == 403
    assert nobody.get("/admin/syncjobs/errorgroup/export/").status_code == 403
    if action != "change/":
        assert nobody.post(url).status_code == 403
    for role in (Role.MODERATOR, Role.ADMIN):
        assert logged_in(role).get(url).status_code == 200
    group.refresh_from_db()
    assert group.acknowledged_at is None
    assert SyncJob.objects.count() == 1


def test_an_unknown_group_is_a_404(moderator: Client) -> None:
    for action in ("change/", "acknowledge/", "retry/"):
        assert moderator.get(f"/admin/syncjobs/errorgroup/0123456789abcdef/{action}").status_code == 404
    assert moderator.post("/admin/syncjobs/errorgroup/0123456789abcdef/retry/").status_code == 404


def test_groups_show_occurrences_bands_and_an_explanation(moderator: Client) -> None:
    for number in range(3):
        fail(f"No channel {number}", "channelNotFound", slug=f"band-{number}")
    fail("YouTube sighed", "backendError", permanent=False)
    html = moderator.get("/admin/syncjobs/errorgroup/").content.decode()
    assert "2 error groups to deal with ·" in " ".join(html.split())
    assert "4 occurrences" in html
    rows = html.split("<tbody data-rows>")[1].split("</tr>")
    assert "No channel 2<" in rows[0]
    assert "&lt;n&gt;" not in html + moderator.get("/admin/").content.decode()
    assert re.search(r'data-label="Occurrences">3<.*data-label="Bands">3<', rows[0], re.DOTALL)
    assert "Channel not found · Band-2, Band-1, Band-0<" in rows[0]
    assert "Permanent" in rows[0]
    assert "Temporary" in rows[1]


def test_filters_apply_and_stay_in_the_address(moderator: Client) -> None:
    old, new = fail("An old one", "timeout"), fail("A new one", "backendError")
    JobError.objects.filter(group=old).update(created_at=timezone.now() - dt.timedelta(days=3))
    errors.acknowledge_errors(PERSON, new.pk, "known")

    def shown(query: str) -> set[str]:
        html = moderator.get(f"/admin/syncjobs/errorgroup/?{query}").content.decode()
        return set(re.findall(r'<tr id="group-(\w+)"', html))

    assert shown("") == set()
    assert shown("state=all") == shown("state=acknowledged") == {new.pk}
    assert shown("window=7d") == shown("window=all") == {old.pk}
    assert shown("window=7d&state=all") == {old.pk, new.pk}
    assert shown("window=7d&reason=timeout") == {old.pk}
    # As the page was addressed before groups had states.
    assert shown("window=7d&acknowledged=true") == {new.pk}
    assert shown("window=7d&acknowledged=false") == {old.pk}
    html = moderator.get("/admin/syncjobs/errorgroup/?window=7d&reason=timeout").content.decode()
    assert '<option value="timeout" selected>' in html
    assert 'href="?window=30d&amp;reason=timeout"' in html
    assert 'hx-get="/admin/syncjobs/errorgroup/?window=7d&amp;reason=timeout' in html
    assert (
        "No errors match these filters" in moderator.get("/admin/syncjobs/errorgroup/?reason=timeout").content.decode()
    )


def test_an_acknowledged_group_can_be_reopened(moderator: Client) -> None:
    group = fail("It broke", "broken")
    address = f"/admin/syncjobs/errorgroup/{group.pk}/"
    assert "reopen/" not in moderator.get(address, follow=True).content.decode()
    errors.acknowledge_errors(PERSON, group.pk, "known")
    assert f"{address}reopen/" in moderator.get(address, follow=True).content.decode()
    assert "Its notes stay" in moderator.get(f"{address}reopen/").content.decode()
    moderator.post(f"{address}reopen/")
    group.refresh_from_db()
    assert (group.acknowledged_at, group.note) == (None, "known")
    assert AuditEntry.objects.filter(action="reopen_errors", target_id=group.pk).exists()


def test_a_recurring_error_is_not_shown_as_acknowledged(moderator: Client) -> None:
    errors.acknowledge_errors(PERSON, fail("It broke", "broken").pk, "known")
    dashboard = "/admin/?part=errors"
    assert "Acknowledged by" in moderator.get(dashboard, headers=HTMX).content.decode()
    fail("It broke", "broken")
    assert "Acknowledged by" not in (html := moderator.get(dashboard, headers=HTMX).content.decode())
    assert "Recurred since acknowledged</span>" in html


def test_people_decide_assign_and_write_notes(moderator: Client) -> None:
    group = fail("It broke.")
    url = f"/admin/syncjobs/errorgroup/{group.pk}/"

    def act(action: str, expected: str, **values: object) -> None:
        assert moderator.get(f"{url}{action}/").status_code == 200
        assert expected in moderator.post(f"{url}{action}/", values, headers=HTMX)["HX-Trigger"]

    def row() -> str:
        html = moderator.get("/admin/syncjobs/errorgroup/?state=all").content.decode()
        return " ".join(html.split("<tbody data-rows>")[1].split())

    assert "New</span>" in row()
    act("assign", "Assigned to MODERATOR@example.", assignee="MODERATOR@example")
    act("note", "Note added.", note="Asked the school.")
    act("resolve", "Resolved.", note="Fixed.")
    assert "Resolved by MODERATOR@example" in row()
    assert "Assigned to MODERATOR@example" in row()
    assert "New</span>" not in row()
    # Somebody else has seen the question before; it is asked no more.
    assert "has already resolved this error" in moderator.post(f"{url}resolve/", headers=HTMX)["HX-Trigger"]
    assert "has already resolved this error" in moderator.get(f"{url}resolve/", headers=HTMX)["HX-Trigger"]
    fail("It broke.")
    assert "Regressed since resolved</span>" in row()
    act("ignore", "Ignored until", days="7")
    act("ignore", "Ignored until 20", until=str((timezone.now() + dt.timedelta(days=9)).date()))
    act("reopen", "Reopened.")
    for values in ({}, {"until": "2020-01-01"}, {"days": "2000"}):
        assert moderator.post(f"{url}ignore/", values).status_code == 422, values
    assert moderator.post(f"{url}note/", {"note": " "}).status_code == 422
    assert moderator.post(f"{url}assign/", {"assignee": "who"}).status_code == 422
    thread = moderator.get(f"{url}change/").content.decode().split('class="lines thread"')[1].split("</ul>")[0]
    words = re.findall(r"</strong> <span data-utc>(.+?)</span>", thread)
    assert [word.split(" 20")[0] for word in words] == [
        "reopened it", "ignored it until", "ignored it until", "resolved it", "wrote", "assigned it to MODERATOR@example",
    ]  # fmt: skip
    assert "Asked the school." in thread


def test_the_list_is_filtered_by_who_takes_care_of_an_error(moderator: Client) -> None:
    group, person, admin = fail("It broke."), get_user_model().objects.get(), logged_in(Role.ADMIN)

    def listed(client: Client) -> list[object]:
        pages = {
            who: client.get("/admin/syncjobs/errorgroup/", {"assignee": who}) for who in ("nobody", "me", person.pk)
        }
        return [who for who, page in pages.items() if page.status_code == 200 and "It broke." in page.content.decode()]

    assert listed(moderator) == ["nobody"]
    errors.assign_errors(PERSON, group.pk, person.get_username())
    assert listed(moderator) == ["me", person.pk]
    # Who leaves may still have errors, which the others have to find.
    get_user_model().objects.filter(pk=person.pk).update(is_active=False)
    assert listed(admin) == [person.pk]
    page = admin.get(f"/admin/syncjobs/errorgroup/?assignee={person.pk}").content.decode()
    assert f'<option value="{person.pk}" selected' in page


def test_chips_count_the_groups_that_they_lead_to(moderator: Client) -> None:
    keys = [fail(f"Way {letter}.").pk for letter in "abcd"]
    errors.acknowledge_errors(PERSON, keys[0])
    errors.resolve_errors(PERSON, keys[1])
    ErrorGroup.objects.filter(pk=keys[2]).update(first_seen_at=timezone.now() - dt.timedelta(days=2))
    page = moderator.get("/admin/syncjobs/errorgroup/").content.decode()
    chips = re.findall(r'<a class="chip" id="chip-state-(\w+)" href="([^"]*)".*?chip-count">(\d+)<', page)
    counts = {name: int(count) for name, _url, count in chips}
    assert counts == {
        "todo": 2, "new": 1, "open": 2, "regressed": 0, "acknowledged": 1, "ignored": 0, "resolved": 1, "all": 4,
    }  # fmt: skip
    for name, url, count in chips:
        listed = moderator.get(f"/admin/syncjobs/errorgroup/{unescape(url)}").content.decode()
        assert listed.count('<tr id="group-') == int(count), name
    assert "2 error groups to deal with · 2 occurrences in the last 24 hours" in " ".join(page.split())
    none = moderator.get("/admin/syncjobs/errorgroup/?state=ignored").content.decode()
    assert "Show 4 other error groups" in " ".join(none.split())


def test_an_invalid_filter_is_named(moderator: Client) -> None:
    for query in ("window=2y", "reason=nonsense", "state=maybe", "assignee=999", "page=0"):
        answer = moderator.get(f"/admin/syncjobs/errorgroup/?{query}")
        assert answer.status_code == 200
        assert 'role="alert"' in answer.content.decode(), query


def test_a_partial_request_returns_the_same_region_as_the_page(moderator: Client) -> None:
    group = fail("It broke.")
    for url, part in (
        ("/admin/syncjobs/errorgroup/", "part-groups"),
        (f"/admin/syncjobs/errorgroup/{group.pk}/change/", "part-facts"),
    ):
        alone = moderator.get(url, headers=HTMX).content.decode()
        assert f'id="{part}"' in alone
        assert "<html" not in alone


@pytest.mark.parametrize("window", ["24h", "7d", "30d", "all"])
def test_queries_do_not_grow_with_groups(moderator: Client, window: str) -> None:
    group = fail("It broke.")
    with CaptureQueriesContext(connection) as few:
        moderator.get(f"/admin/syncjobs/errorgroup/?window={window}")
    for letter in "abcdefgh":
        fail(f"It broke in the way {letter}", slug=letter)
    with CaptureQueriesContext(connection) as many:
        moderator.get(f"/admin/syncjobs/errorgroup/?window={window}")
    assert len(few) == len(many) <= 13
    with CaptureQueriesContext(connection) as one:
        moderator.get(f"/admin/syncjobs/errorgroup/{group.pk}/change/")
    assert len(one) <= 13


def test_every_group_is_on_exactly_one_page(moderator: Client) -> None:
    groups = {fail(f"Way {chr(97 + number // 5)}{chr(97 + number % 5)}").pk for number in range(25)}
    first = moderator.get("/admin/syncjobs/errorgroup/").content.decode()
    more = re.search(r'href="(\?[^"]*page=2)"', first)
    assert more
    second = moderator.get(f"/admin/syncjobs/errorgroup/{unescape(more[1])}").content.decode()
    shown = [re.findall(r'<tr id="group-(\w+)"', html) for html in (first, second)]
    assert ([len(each) for each in shown], {*shown[0], *shown[1]}) == ([20, 5], groups)
    assert "page=3" not in second


def test_a_group_shows_advice_and_its_jobs(moderator: Client) -> None:
    group = fail("There is no channel UCabcdefghijkl", "channelNotFound", slug="herons")
    html = moderator.get(f"/admin/syncjobs/errorgroup/{group.pk}/change/").content.decode()
    assert "<h1>Channel not found</h1>" in html
    assert "paste its address into the band" in html
    assert "There is no channel UCabcdefghijkl" in html
    assert "There is no channel &lt;id&gt;" in html
    chart = json.loads(unescape(re.search(r'<div id="error-hours" hidden>(.*?)</div>', html)[1]))  # type: ignore[index]
    assert sum(chart["series"][0]["values"]) == 1
    assert f"#{SyncJob.objects.get().pk}</a>" in html
    query = re.search(r'href="/admin/syncjobs/syncjob/\?(error=\w+&amp;band_id=\d+)">Herons</a>', html)
    assert query
    assert listing_filters.job_query(QueryDict(unescape(query[1]))).rows(1, 20)[1] == 1


def test_a_group_opens_after_its_jobs_were_deleted(moderator: Client) -> None:
    group = fail("It broke.")
    bulk.clear_failed(PERSON)
    html = moderator.get(f"/admin/syncjobs/errorgroup/{group.pk}/change/").content.decode()
    assert "Its jobs have been deleted." in html
    assert group.pk not in moderator.get("/admin/syncjobs/errorgroup/?window=all").content.decode()


def test_an_acknowledgement_shows_its_author_and_note_until_the_error_recurs(moderator: Client) -> None:
    group = fail("It broke.", slug="herons")
    url = f"/admin/syncjobs/errorgroup/{group.pk}/acknowledge/"
    done = moderator.post(url, {"note": "<b>Their host</b> was down."}, headers=HTMX)
    assert (done.status_code, "Acknowledged." in done["HX-Trigger"]) == (204, True)
    html = moderator.get(f"/admin/syncjobs/errorgroup/{group.pk}/change/").content.decode()
    assert html.count("Acknowledged by MODERATOR@example") == 1
    assert "<strong>MODERATOR@example</strong> <span data-utc>acknowledged it" in html
    assert "&lt;b&gt;Their host&lt;/b&gt; was down." in html
    assert AuditEntry.objects.get(action="acknowledge_errors").actor_label == "MODERATOR@example"
    pages = (
        "/admin/?part=errors",
        "/admin/syncjobs/errorgroup/?state=all",
        f"/admin/syncjobs/errorgroup/{group.pk}/change/",
    )
    for page in pages:
        assert "Acknowledged by MODERATOR@example" in moderator.get(page).content.decode()
    fail("It broke.", slug="egrets")
    for page in pages:
        html = moderator.get(page).content.decode()
        assert "Recurred" in html
        assert '<span class="badge badge-off">' not in html.split("It broke.")[-1]
    html = moderator.get(pages[-1]).content.decode()
    assert "It has occurred again since then" in html
    assert moderator.post(url, {"note": "x" * 2001}).status_code == 422


def test_retrying_shows_the_number_of_jobs_before_and_after(moderator: Client) -> None:
    group = fail("It broke.")
    fail("It broke.")
    url = f"/admin/syncjobs/errorgroup/{group.pk}/retry/"
    about = f"/admin/syncjobs/errorgroup/{group.pk}/change/"
    other = fail("It broke as well.")
    SyncJob.objects.filter(job_errors__group=other).update(status="COMPLETED")

    def offered() -> set[str]:
        return set(
            re.findall(r"errorgroup/(\w+)/retry/", moderator.get("/admin/syncjobs/errorgroup/").content.decode())
        )

    assert offered() == {group.pk}
    assert "Retry failed jobs" in moderator.get(about).content.decode()
    asked = moderator.get(url).content.decode()
    assert "2 failed jobs can be retried" in asked
    assert '<button type="submit" class="btn btn-primary">' in asked
    done = moderator.post(url, headers=HTMX)
    assert "2 queued." in done["HX-Trigger"]
    part = moderator.get(about, headers=HTMX).content.decode()
    assert ('id="error-tools" class="row" hx-ext="morph" hx-swap-oob="morph"' in part, "/retry/" in part) == (
        True,
        False,
    )
    assert SyncJob.objects.filter(status="QUEUED", retry_of__isnull=False).count() == 2
    asked = moderator.get(url).content.decode()
    assert "There is nothing to retry" in asked
    assert '<button type="submit" class="btn' not in asked
    assert "Retry failed jobs" not in moderator.get(about).content.decode()
    assert offered() == set()
    assert "0 queued." in moderator.post(url, headers=HTMX)["HX-Trigger"]
    assert SyncJob.objects.count() == 5


def test_a_refused_retry_shows_the_reason(moderator: Client) -> None:
    group = fail("It broke.", slug="herons")
    Band.objects.all().delete()
    done = moderator.post(f"/admin/syncjobs/errorgroup/{group.pk}/retry/", headers=HTMX)
    assert "0 queued; 1 refused: The band of job" in done["HX-Trigger"]


def test_retrying_many_jobs_continues_in_the_background(moderator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    group = fail("It broke.")
    fail("It broke.")
    monkeypatch.setattr(bulk, "MAX_FOREGROUND", 1)
    done = moderator.post(f"/admin/syncjobs/errorgroup/{group.pk}/retry/", headers=HTMX)
    assert "2 jobs are being retried in the background." in done["HX-Trigger"]
    assert BulkAction.objects.get().action == "retry"


def test_markup_in_an_error_is_escaped(moderator: Client) -> None:
    evil = "<script>alert(1)</script>"
    group = fail(evil, slug="herons")
    for url in (
        "/admin/syncjobs/errorgroup/",
        f"/admin/syncjobs/errorgroup/{group.pk}/change/",
        f"/admin/syncjobs/errorgroup/{group.pk}/retry/",
    ):
        html = moderator.get(url).content.decode()
        assert evil not in html
        assert "&lt;script&gt;" in html


@pytest.mark.django_db(transaction=True)
def test_the_export_contains_the_errors_that_the_list_counts(moderator: Client) -> None:
    fail("A timeout", "timeout")
    queue_job()
    attempt = claim()
    record(attempt, [ErrorReport("timeout", "=1+1", is_permanent=False, item_id="x", will_retry=True)] * 2)
    fail("Something else")
    query = "?window=7d&reason=timeout"
    rows = list(csv.DictReader(io.StringIO(exported(moderator.get(f"/admin/syncjobs/errorgroup/export/{query}")))))
    since = timezone.now() - dt.timedelta(days=7)
    total = stats_errors.groups(stats_errors.GroupFilter(since=since, reason="timeout")).total
    assert len(rows) == total == 3
    assert f"{total} occurrences" in moderator.get(f"/admin/syncjobs/errorgroup/{query}").content.decode()
    assert {row["message"] for row in rows} == {"A timeout", "'=1+1"}
    one = ErrorGroup.objects.get(sample="Something else")
    only = exported(moderator.get(f"/admin/syncjobs/errorgroup/export/?window=all&error={one.pk}"))
    assert [row["message"] for row in csv.DictReader(io.StringIO(only))] == ["Something else"]


def test_a_retry_of_a_permanent_error_warns(moderator: Client) -> None:
    group = fail("There is no channel UCabcdefghijkl", "channelNotFound", slug="herons")
    ErrorGroup.objects.filter(pk=group.pk).update(is_permanent=True)
    Band.objects.update(channel_reference="@herons")
    job = SyncJob.objects.get()
    other = fail("It broke.", slug="egrets")
    ErrorGroup.objects.filter(pk=other.pk).update(is_permanent=False)
    for url in (f"/admin/syncjobs/errorgroup/{group.pk}/retry/", f"/admin/syncjobs/syncjob/{job.pk}/retry/"):
        assert "This error is permanent, so a retry will probably fail again." in moderator.get(url).content.decode()
    admin = logged_in(Role.ADMIN)
    for url in (f"/admin/syncjobs/errorgroup/{group.pk}/retry/", f"/admin/syncjobs/syncjob/{job.pk}/retry/"):
        for client, offer in ((moderator, "Suggest a channel for Herons"), (admin, "Change the channel of Herons")):
            question = client.get(url).content.decode()
            assert re.search(rf'class="btn btn-primary" href="[^"]*".*?{offer}<', question, re.DOTALL)
            assert re.search(r'<button type="submit" class="btn ">.*Retry anyway', question, re.DOTALL)
    ids = "&job=".join(str(pk) for pk in SyncJob.objects.values_list("pk", flat=True))
    question = moderator.get(f"/admin/syncjobs/bulkaction/add/?action=retry&job={ids}").content.decode()
    assert "1 of them failed with a permanent error" in question
    assert "permanent" not in moderator.get(f"/admin/syncjobs/errorgroup/{other.pk}/retry/").content.decode()


def test_advice_that_needs_a_right_names_the_people_who_have_it(moderator: Client) -> None:
    group = fail("There is no channel UCabcdefghijkl", "channelNotFound", slug="herons")
    url = f"/admin/syncjobs/errorgroup/{group.pk}/change/"
    assert "Ask an admin to do this: Find the band" in unescape(moderator.get(url).content.decode())
    admin = logged_in(Role.ADMIN)
    assert "Ask an admin (ADMIN@example) to do this: Find the band" in unescape(moderator.get(url).content.decode())
    assert "Ask an admin" not in admin.get(url).content.decode()


@pytest.mark.parametrize("reason", error_reasons.reasons())
def test_every_advice_about_bands_and_queues_names_its_right(reason: str) -> None:
    meaning = error_reasons.explain(reason)
    does = str(meaning.advice).lower()
    needs_right = (
        any(words in does for words in ("the band", "a band", "resume", "pause the queue")) and "check" not in does
    )
    if needs_right and "check that it is the band" not in does:
        assert meaning.needs, meaning.advice
