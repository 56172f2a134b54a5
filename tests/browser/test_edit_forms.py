"""A form that nobody touched comes back from a browser as it was opened, so it changes nothing and conflicts with nothing."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from syncjobs.choices import Role
from syncjobs.engine import quota
from syncjobs.operations import people, schedules
from syncjobs.youtube.simulator import Simulator
from tests.factories import PERSON, make_band

from .conftest import LogIn
from .driver import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]
RECURRENCES: list[dict[str, Any]] = [
    {"cron": {"minute": "30", "hour": "3"}},
    {"cron": {"minute": "30", "hour": "3", "day_of_week": "1,4,0"}},
    {"cron": {"minute": "30", "hour": "3", "day_of_month": "5"}},
    {"cron": {"minute": "30", "hour": "*"}},
    {"cron": {"minute": "7,9", "hour": "*/5", "month_of_year": "2"}},
    {"interval": {"every": 6, "period": "hours"}},
    {"interval": {"every": 90, "period": "seconds"}},
]
# Each field whose value in the form is not the one that the page keeps in its hidden field.
_CHANGED = """() => {
    const hidden = document.querySelector("[name=original]"), sent = new FormData(hidden.form);
    const clean = (values) => values.map((each) => each.replaceAll("\\r\\n", "\\n").trim()).filter(Boolean).sort().join("|");
    return Object.entries(JSON.parse(hidden.value)).flatMap(([name, value]) => {
        const before = clean([value].flat().map((each) => (each === true ? "on" : each || "")));
        return before === clean(sent.getAll(name)) ? [] : [[name, before, clean(sent.getAll(name))]];
    });
}"""


def test_untouched_forms_are_unchanged(log_in: LogIn) -> None:
    band = make_band(
        founded=1908, search_keywords=["b", "a"], extra_playlists=["PL" + "x" * 16, "PL" + "y" * 16], is_active=False
    )
    mo = people.add_person(PERSON, "mo", PASSWORD, Role.MODERATOR)
    addresses = [
        f"/admin/bands/band/{band.pk}/edit/",
        f"/admin/auth/user/{mo.pk}/role/",
    ]
    for number, times in enumerate(RECURRENCES):
        saved = schedules.save(PERSON, None, {"name": f"S {number}", "job_type": "FULL_SYNC"} | times)
        addresses.append(f"/admin/django_celery_beat/periodictask/{saved.pk}/change/")
    visitor = log_in(Role.SUPER_ADMIN)
    for address in addresses:
        assert visitor.go(address).evaluate(_CHANGED) == [], address


def test_a_pasted_channel_fills_in_the_name(log_in: LogIn, youtube: Simulator) -> None:
    for name in ("herons", "owls", "geese"):
        youtube.world.add_channel(f"@{name}", f"The {name.title()}")
    visitor = log_in(Role.ADMIN)
    page = visitor.go("/admin/bands/band/add/")
    channel, name = page.locator("#id_youtube_channel"), page.locator("#id_name")

    def paste(text: str) -> None:
        channel.evaluate(
            "(field, text) => { field.value = text; field.dispatchEvent(new Event('paste', { bubbles: true })); }", text
        )

    paste("https://www.youtube.com/@herons")
    expect(name).to_have_value("The Herons")
    # Another channel replaces what only the first one filled in, but not what a person has typed.
    channel.fill("@owls")
    channel.press("Tab")
    expect(name).to_have_value("The Owls")
    name.fill("Night Owls")
    paste("@geese")
    expect(page.locator("#channel-found")).to_contain_text("The Geese")
    expect(name).to_have_value("Night Owls")
    paste("https://youtu.be/dQw4w9WgXcQ")
    expect(page.locator("#channel-found .error")).to_contain_text("is a video")
    assert quota.today()[0].used == 3
    # A click on the button leaves the field, which looks up by itself: that is one look-up.
    channel.fill("@owls")
    page.get_by_role("button", name="Look up").click()
    expect(page.locator("#channel-found")).to_contain_text("The Owls")
    assert quota.today()[0].used == 3
    youtube.world.add_channel("@ducks", "The Ducks")
    channel.fill("@ducks")
    page.get_by_role("button", name="Look up").click()
    expect(page.locator("#channel-found")).to_contain_text("The Ducks")
    page.wait_for_function("!document.querySelector('.htmx-request')")
    assert quota.today()[0].used == 4
    # A link to the field focuses it.
    page = visitor.go("/admin/bands/band/add/#id_youtube_channel")
    expect(channel).to_be_focused()
    assert visitor.problems == []
