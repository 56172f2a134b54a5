"""Invented bands and their channels, for demonstrations."""

from __future__ import annotations

import datetime as dt
import random
import threading
from typing import Any

from .server import Simulator
from .world import Video, World, made_up_id

_TOWNS = (
    ("Cedar Hollow", "GA"), ("Port Marlow", "LA"), ("Ashby Springs", "AL"), ("Kestrel Bay", "FL"), ("Millbrook Falls", "TN"),
    ("Larkspur", "MS"), ("Sable Ridge", "NC"), ("Old Quarry", "VA"), ("Wren Crossing", "TX"), ("Thistledown", "SC"),
    ("Copper Landing", "AR"), ("Juniper Flats", "OK"), ("Marble Creek", "MO"), ("Harrow Point", "MD"), ("Dovetail", "DE"),
    ("Saltgrass", "TX"), ("Fern Valley", "KY"), ("Bellweather", "OH"), ("Gosling Lake", "MI"), ("Pewter Mills", "PA"),
    ("Indigo Beach", "FL"), ("Tamarack", "WV"), ("Windrow", "GA"), ("Quillfeather", "LA"),
)  # fmt: skip
_NAMES = ("Marching Herons", "Thunder Line", "Brass Tide", "Golden Cadence", "Midnight Drumline",
          "Royal Regiment of Sound")  # fmt: skip
_SHOWS = ("Halftime Show", "Battle of the Bands", "Homecoming Parade", "Fifth Quarter", "Drumline Feature",
          "Spring Concert")  # fmt: skip
_ODD_TITLES = (
    "🥁🔥 Drumline goes OFF 🔥🥁 — 2025", "“Quotes” & ‘apostrophes’ <script>alert(1)</script>", "מצעד הלהקה בבית הספר 2024",
    "فرقة المسيرة — عرض نصف الوقت", "マーチングバンド 2023 全国大会", "Ça c’est Paris ‼️ (live)",
)  # fmt: skip
_WRONG_HANDLE = 7
"""This band's handle does not exist, so that the demonstration has an error to show."""


def bands() -> list[dict[str, Any]]:
    """Return 24 bands as rows for `import_bands`."""
    return [_band(number, town, state) for number, (town, state) in enumerate(_TOWNS)]


def _band(number: int, town: str, state: str) -> dict[str, Any]:
    nickname = _NAMES[number % len(_NAMES)]
    handle = _handle(number)
    channel_id = "UC" + made_up_id(handle, 22)
    forms = (handle, channel_id, f"https://www.youtube.com/{handle}", f"youtube.com/channel/{channel_id}/videos")
    return {
        "name": f"{town} {nickname}",
        "slug": f"{town.lower().replace(' ', '-')}-band",
        "school_name": f"{town} University",
        "nickname": nickname,
        "city": town,
        "state": state,
        "conference": ("Coastal", "Heartland", "Piedmont")[number % 3],
        "founded": 1890 + number * 3,
        "search_keywords": [town, nickname],
        "band_type": ("HBCU", "Corps style", "Show band")[number % 3],
        "is_active": True,
        "is_featured": number % 5 == 0,
        "primary_color": f"#{(number * 7919 + 4711) % 0xFFFFFF:06X}",
        "secondary_color": "#FFFFFF",
        "youtube_channel": "@NoSuchBandAnywhere" if number == _WRONG_HANDLE else forms[number % len(forms)],
    }


def _handle(number: int) -> str:
    return "@" + _TOWNS[number][0].replace(" ", "") + "Band"


def demo_world() -> World:
    """Return a world with the channels of the bands, which have 0 to 700 videos each."""
    world = World()
    rng = random.Random(1908)  # noqa: S311 - the same demonstration every time
    for number, band in enumerate(bands()):
        channel = world.add_channel(_handle(number), band["name"], username=f"oldname{number}")
        count = 0 if number == 3 else 700 if number == 0 else rng.randint(8, 260)
        world.add_videos(channel.id, (_video(rng, channel.id, band["name"], index) for index in range(count)))
    return world


def _video(rng: random.Random, channel_id: str, band: str, index: int) -> Video:
    odd = rng.random()
    title = f"{band} – {rng.choice(_SHOWS)} {2025 - index // 30} #{index + 1}"
    return Video(
        id=made_up_id(f"{channel_id}{index}", 11),
        title=rng.choice(_ODD_TITLES) if odd < 0.05 else title,
        channel_id=channel_id,
        published_at=dt.datetime(2026, 11, 1, 18, tzinfo=dt.UTC)
        - dt.timedelta(days=index * 5, minutes=rng.randint(0, 999)),
        description="x" * 5000 if 0.05 <= odd < 0.06 else f"{band} at {rng.choice(_SHOWS)}.",
        duration=rng.choice(("PT3M33S", "PT45S", "PT1H2M3S", "P1DT2H3M4S", "PT12M")),
        views=5_234_567_890 if odd > 0.995 else rng.randint(20, 900_000),
        likes=None if rng.random() < 0.08 else rng.randint(0, 20_000),
        comments=None if rng.random() < 0.08 else rng.randint(0, 900),
        hides_statistics=rng.random() < 0.01,
        privacy="private" if rng.random() < 0.01 else "public",
        tags=["marching band", "drumline"] if rng.random() < 0.6 else [],
    )


def publish_in_background(simulator: Simulator, seconds: float) -> None:
    """Have a new video in one of the channels every so many seconds, in a thread, until it stops."""
    threading.Thread(target=_publish, args=(simulator, seconds), name="publish", daemon=True).start()


def _publish(simulator: Simulator, seconds: float) -> None:
    rng = random.Random()  # noqa: S311 - another one in each demonstration
    world = simulator.world
    while not simulator.hub.stopped.wait(seconds):
        channel = rng.choice(list(world.channels.values()))
        world.publish(channel.id, simulator.now(), title=f"{channel.title} – {rng.choice(_SHOWS)}, just published")
