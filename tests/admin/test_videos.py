"""Videos in the admin: the list, a video's page and its syncs."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from bands.models import Availability, Band, Video
from syncjobs.choices import JobType, Role
from syncjobs.models import SyncJob
from syncjobs.operations import schedules
from syncjobs.youtube.simulator import Simulator
from tests.clients import logged_in
from tests.factories import PERSON, band_with_videos, make_band, queue_job, run_all

pytestmark = pytest.mark.django_db
URL = "/admin/bands/video/"
HTMX = {"HX-Request": "true"}
HOSTILE = "<script>alert(1)</script>"
PICTURE = "https://i.ytimg.com/vi/v1/mqdefault.jpg"


def titles(client: Client, **query: Any) -> list[str]:
    page = client.get(URL, query).content.decode()
    return [title.strip() for title in re.findall(r'data-key="open">([^<]+)</a>', page)]


def test_videos_can_be_filtered_by_title_state_and_band() -> None:
    client = logged_in(Role.MODERATOR)
    herons, others = make_band("herons"), make_band("others")
    for number, (title, band, availability, views) in enumerate(
        [
            ("Halftime", herons, Availability.AVAILABLE, 5),
            ("Parade", herons, Availability.MISSING, None),
            ("Halftime II", others, Availability.UNAVAILABLE, 7),
        ]
    ):
        Video.objects.create(
            youtube_id=f"video{number}", title=title, band=band, availability=availability, view_count=views
        )
    assert set(titles(client)) == {"Halftime", "Parade", "Halftime II"}
    assert titles(client, sort="-views") == ["Halftime II", "Halftime", "Parade"]
    assert titles(client, sort="views") == ["Halftime", "Halftime II", "Parade"]
    assert set(titles(client, q="half")) == {"Halftime", "Halftime II"}
    assert titles(client, q="video1") == ["Parade"]
    assert titles(client, band=herons.pk, availability="MISSING") == ["Parade"]
    assert set(titles(client, availability="gone")) == {"Parade", "Halftime II"}
    assert titles(client, q="nothing like it") == []
    for query in ({"band": "999"}, {"band": "x"}, {"availability": "LOST"}, {"q": "\x00"}):
        answer = client.get(URL, query)
        assert 'class="error"' in answer.content.decode()
        assert len(titles(client, **query)) == 3


def test_videos_of_another_channel_are_named_counted_and_listed() -> None:
    client = logged_in(Role.MODERATOR)
    own, other = "UC" + "a" * 22, "UC" + "b" * 22
    band = make_band("herons", channel_id=own, channel_changed_at=timezone.now())
    for name, channel in (("new", own), ("old", other), ("unknown", "")):
        Video.objects.create(youtube_id=name, title=name, band=band, channel_id=channel, channel_title="Old Herons")
    assert titles(client, channel="other") == ["old"]
    assert titles(client, channel="own") == ["unknown", "new"]
    page = client.get(f"/admin/bands/band/{band.pk}/change/").content.decode()
    assert re.search(rf'href="{URL}\?band={band.pk}&amp;channel=other">\s*1 of another channel\s*<', page)
    assert page.count("Of another channel: Old Herons") == 1
    shown = client.get(f"{URL}{Video.objects.get(youtube_id='old').pk}/change/").content.decode()
    assert "Not the present channel of the band" in shown
    own_video = client.get(f"{URL}{Video.objects.get(youtube_id='new').pk}/change/").content.decode()
    assert "Not the present channel" not in own_video
    # A title that both channels have tells nothing.
    for same in ({"channel_title": "Old Herons"}, {"channel_title": "", "name": "Old Herons"}):
        Band.objects.update(**same)
        page = client.get(f"/admin/bands/band/{band.pk}/change/").content.decode()
        assert f"Of another channel: {other}" in page
    # As long as a new channel is not looked up, nobody knows.
    band.channel_id = ""
    band.save()
    assert "another channel" not in client.get(f"/admin/bands/band/{band.pk}/change/").content.decode()


def test_a_missing_video_says_what_follows() -> None:
    client, video = logged_in(Role.MODERATOR), Video.objects.create(youtube_id="v", band=make_band("herons"))
    page = f"{URL}{video.pk}/change/"
    assert "left it out once" not in client.get(page).content.decode()
    Video.objects.update(availability=Availability.MISSING)
    PeriodicTask.objects.all().delete()
    shown = client.get(page).content.decode()
    assert "left it out once" in shown
    assert "next availability check" not in shown
    for job_type in ("AVAILABILITY_CHECK", "FULL_SYNC"):
        interval = {"every": 9, "period": "hours"}
        schedules.save(PERSON, None, {"name": job_type, "job_type": job_type, "enabled": True, "interval": interval})
    assert schedules.next_run_of(JobType.AVAILABILITY_CHECK)
    assert not schedules.next_run_of(JobType.PRUNE)
    shown = client.get(page).content.decode().split("next availability check asks for it:")[1]
    assert shown.lstrip().startswith("<time")


def test_queries_do_not_grow_with_rows() -> None:
    client = logged_in(Role.MODERATOR)

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(URL).status_code == 200
        return len(queries)

    Video.objects.create(youtube_id="first", band=make_band("first"))
    count()
    few = count()
    for number in range(15):
        Video.objects.create(youtube_id=f"v{number}", band=make_band(f"b{number}"))
    assert count() == few <= 12


def test_a_video_shows_known_and_unknown_values() -> None:
    video = Video.objects.create(
        youtube_id="v1",
        band=make_band(),
        title="Halftime",
        duration_seconds=3723,
        view_count=0,
        comment_count=None,
        published_at=timezone.now(),
        tags=["drumline"],
        description=f"{HOSTILE}\nmore",
    )
    client = logged_in(Role.MODERATOR)
    for headers in ({}, HTMX | {"X-Dialog": "1"}):
        page = client.get(f"{URL}{video.pk}/change/", headers=headers).content.decode()
        assert "1:02:03" in page
        assert "<dd>0</dd>" in page
        assert "<dd>—</dd>" in page
        assert "drumline" in page
        assert HOSTILE not in page
        assert "&lt;script&gt;" in page
        assert ("<html" in page) is (headers == {})
    assert client.get(f"{URL}999/change/").status_code == 404


@pytest.mark.parametrize(
    ("thumbnails", "is_simulated", "shown"),
    [
        ({"medium": {"url": PICTURE}}, False, PICTURE),
        ({"default": {"url": PICTURE}}, False, PICTURE),
        ({"medium": {"url": PICTURE}}, True, ""),
        ({"medium": {"url": "https://example.org/x.jpg"}}, False, ""),
        ({"medium": {"url": "javascript:alert(1)"}}, False, ""),
        ({"medium": {"url": 7}}, False, ""),
        ({"medium": "x"}, False, ""),
        ({}, False, ""),
        ([], False, ""),
    ],
)
def test_the_thumbnail_is_from_youtube_or_a_placeholder(
    settings: LazySettings, thumbnails: Any, is_simulated: bool, shown: str
) -> None:
    settings.YOUTUBE_SIMULATED = is_simulated
    Video.objects.create(youtube_id="v1", band=make_band(), thumbnails=thumbnails)
    page = logged_in(Role.MODERATOR).get(URL).content.decode()
    (image,) = re.findall(r'<img class="thumb"\s+src="([^"]*)"([^>]*)>', page)
    assert image[0] == (shown or "/static/syncjobs/thumbnail.svg")
    for attribute in ('alt=""', 'width="96"', 'height="54"', 'loading="lazy"'):
        assert attribute in image[1]


def test_one_click_syncs_a_video(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 1)
    queue_job(band=band)
    run_all()
    video = Video.objects.get()
    youtube.world.videos[video.youtube_id].title = "New title"
    client = logged_in(Role.MODERATOR)
    sync = f"{URL}{video.pk}/sync/"
    assert "1 unit" in client.get(sync).content.decode()
    answer = client.post(sync, headers=HTMX)
    job = SyncJob.objects.get(job_type=JobType.SINGLE_VIDEO)
    assert f"#{job.pk} is queued" in answer["HX-Trigger"]
    assert "already queued or running" in client.post(sync, headers=HTMX)["HX-Trigger"]
    run_all()
    assert "New title" in client.get(URL).content.decode()


def test_permissions() -> None:
    video = Video.objects.create(youtube_id="v1", band=make_band())
    for role, may in (("", False), (Role.MODERATOR, True), (Role.ADMIN, True)):
        client = logged_in(role)
        for path in ("", f"{video.pk}/change/", f"{video.pk}/sync/"):
            assert client.get(URL + path).status_code == (200 if may else 403)
        if not may:
            assert client.post(f"{URL}{video.pk}/sync/").status_code == 403
    assert SyncJob.objects.count() == 0


def test_markup_in_titles_is_escaped() -> None:
    Video.objects.create(youtube_id="v1", band=make_band(), title=HOSTILE)
    page = logged_in(Role.MODERATOR).get(URL).content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert HOSTILE not in page
