"""Text with control characters or direction marks is refused everywhere, removed from YouTube's, and escaped for terminals."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User

from bands.models import Band
from bands.text import LINES, ONE_LINE
from syncjobs.choices import Role
from syncjobs.exceptions import DomainError
from syncjobs.models import AuditEntry, ErrorGroup, Queue
from syncjobs.operations import bands, channels, errors, imports, people, presets, queues, schedules
from syncjobs.youtube import parsing
from syncjobs.youtube.errors import from_response
from tests.clients import Api, command_error, logged_in, run_command
from tests.factories import PERSON, claim, failed_job, make_band, queue_job

pytestmark = pytest.mark.django_db
BAD = (
    "\x1b[31mred",
    "bell\x07",
    "del\x7f",
    "csi\x9b2J",
    "ne\x85l",
    "\u202egpj.exe",
    "iso\u2066late",
    "mark\u200fed",
    "a\u2028b",
)
FINE = "Ça c’est “Paris” 🏳️‍🌈 מצעד マーチ می‌خواهم"


def _error_note(text: str) -> None:
    failed_job()
    errors.acknowledge_errors(PERSON, ErrorGroup.objects.earliest("pk").pk, text)


def _schedule(text: str) -> None:
    schedules.save(PERSON, None, {"name": text, "job_type": "ENRICH", "interval": {"every": 6, "period": "hours"}})


def _preset(text: str, **filters: str) -> None:
    user, _is_new = User.objects.get_or_create(username="mo")
    presets.save(PERSON, user, name=text, filters=filters)


ONE_LINERS: dict[str, Any] = {
    **{
        name: lambda text, name=name: bands.create(PERSON, {"name": "n", "slug": "s", name: text})
        for name in ("name", "school_name", "nickname", "city", "state", "conference", "band_type", "youtube_channel")
    },
    "search_keywords": lambda text: bands.create(PERSON, {"name": "n", "slug": "s", "search_keywords": ["ok", text]}),
    "reason": lambda text: queues.pause_queue(PERSON, "maintenance", text),
    "preset": _preset,
    "filter": lambda text: _preset("mine", search=text),
    "schedule": _schedule,
    "username": lambda text: people.add_person(PERSON, text, "correct horse battery", Role.MODERATOR),
    "email": lambda text: people.add_person(
        PERSON, "mo", "correct horse battery", Role.MODERATOR, f"{text}@example.org"
    ),
    "channel": lambda text: channels.resolve_channel(PERSON, f"https://www.youtube.com/@herons?x={text}"),
    "note": _error_note,
}


@pytest.mark.parametrize("field", ONE_LINERS)
def test_control_characters_are_refused_in_every_field(field: str) -> None:
    refused = [*BAD, *(() if field == "note" else ("two\nlines", "tab\tbed"))]
    for text in refused:
        with pytest.raises(DomainError):
            ONE_LINERS[field](text)
    entries = AuditEntry.objects.exclude(result="ok")
    assert len(entries) in (0, len(refused))
    assert not any(re.search(r"[^\n -~“”…]", f"{entry.message}{entry.target_id}") for entry in entries)
    assert not Band.objects.exists()


def test_a_note_may_have_several_lines() -> None:
    _error_note("two\r\nlines\tand a tab")
    assert "lines\tand a tab" in ErrorGroup.objects.get().note


@pytest.mark.parametrize("field", ["name", "school_name", "search_keywords", "reason", "preset", "schedule", "note"])
def test_text_of_any_script_is_accepted(field: str) -> None:
    ONE_LINERS[field](FINE)


def test_an_import_refuses_the_row_and_names_the_column() -> None:
    rows = [
        {"slug": "a", "name": "A\u202eB"},
        {"slug": "b", "name": "B", "city": "\x1b]0;x\x07"},
        {"slug": "c", "name": "C"},
    ]
    results = imports.import_bands(PERSON, rows)
    assert [result.outcome for result in results] == ["refused", "refused", "created"]
    assert results[0].problems[0].startswith("name: ")
    assert results[1].problems[0].startswith("city: ")


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "bands", {"slug": "s", "name": "A\x1b[2J"}, "name"),
        ("POST", "bands", {"slug": "s", "name": "A", "searchKeywords": ["a\u202eb"]}, "searchKeywords.0"),
        ("PATCH", "bands/{band}", {"city": "A\nB"}, "city"),
        ("PATCH", "bands/{band}", {"youtubeChannel": "https://www.youtube.com/@herons?\x9bx"}, "youtubeChannel"),
        ("POST", "admin/queue/pause", {"queue": "maintenance", "reason": "\x1b[31mred"}, "reason"),
        ("POST", "admin/filter-presets", {"name": "A\u2067B", "filters": {}}, "name"),
        ("POST", "admin/schedules", {"name": "A\x00B", "jobType": "PRUNE", "cron": {"hour": "3"}}, "name"),
    ],
)
def test_the_api_refuses_them_at_the_field(method: str, path: str, body: Any, field: str) -> None:
    answer = Api(Role.SUPER_ADMIN).send(method, path.format(band=make_band().pk), body)
    assert answer.status_code == 400, answer.content
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_the_forms_of_the_admin_refuse_them_at_the_field() -> None:
    answer = logged_in(Role.ADMIN).post("/admin/bands/band/add/", {"name": "A\u202eB", "slug": "a"})
    assert answer.status_code == 422
    assert "direction marks" in answer.content.decode()


def test_texts_of_youtube_lose_them() -> None:
    hostile = "One\x1b[31m\u202e two\r\nthree\x9b\u2028four"
    item = {
        "id": "x",
        "snippet": {"title": hostile, "description": hostile, "channelTitle": hostile, "tags": [hostile]},
    }
    video = parsing.video(item)
    assert (video.title, video.channel_title, video.tags) == ("One[31m two three four",) * 2 + (
        ["One[31m two three four"],
    )
    assert video.description == "One[31m two\nthree\nfour"
    channel = parsing.channel({"id": "UC1", "snippet": {"title": hostile, "customUrl": "@he\u202erons"}})
    assert (channel.title, channel.handle) == ("One[31m two three four", "@herons")
    body = b'{"error": {"code": 403, "message": "no\\u001b[2J\\u202e way", "errors": [{"reason": "for\\u0007bidden"}]}}'
    error = from_response(403, body, parsing.T)  # type: ignore[arg-type]
    assert (error.message, error.reason) == ("no[2J way", "forbidden")
    assert parsing.clean(FINE) == FINE == parsing.clean_lines(FINE)


def test_the_client_and_the_forms_agree_on_what_is_a_control_character() -> None:
    for code in [*range(0xD800), *range(0xE000, 0x11000)]:
        character = chr(code)
        assert (parsing.clean(character) == character) == bool(re.fullmatch(ONE_LINE, character)), hex(code)
        assert (parsing.clean_lines(character) == character) == bool(
            re.fullmatch(LINES, character)
        ) or character == "\r"


def test_commands_escape_them_on_terminals() -> None:
    """Values that were stored before they were refused, or by other means."""
    band = make_band("herons")
    Band.objects.filter(pk=band.pk).update(name="He\x1b[2Jrons\u202e\nall is well")
    queue_job(band=Band.objects.get(pk=band.pk))
    Queue.objects.filter(pk="maintenance").update(
        paused_at="2026-11-01T00:00Z", paused_by="pat", pause_reason="a\x9b\u2066b"
    )
    claim()
    shown = run_command("sync_status") + run_command("sync_status", "--json")
    assert not any(control in shown for control in ("\x1b", "\x9b", "\u202e", "\u2066"))
    assert "\\u001b[2J" in shown
    assert "\\u009b" in shown
    assert "\nall is well" not in shown
    assert "\x1b" not in command_error("sync_bands", "--band", "no\x1b[2J")
    assert "\x1b" not in command_error("import_bands", "no\x1b[2J.txt")
