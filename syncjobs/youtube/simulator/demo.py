"""Invented bands and their channels, for demonstrations."""

from __future__ import annotations

import datetime as dt
import itertools
import random
import threading
from typing import Any

from .faults import Fault
from .server import Simulator
from .world import Channel, Video, World, made_up_id, uploads

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
MOVED, INTERMITTENT, PRIVATE_PLAYLIST, FORBIDDEN = 7, 10, 12, 16
"""The numbers of the bands that have a problem: the channel has moved to another address, every second page or so fails for a
while, an extra playlist is private, or YouTube does not let us read the uploads."""
OLD_HANDLE = "@OldQuarryThunderLine"
PLAYLIST = "PLmarblecreekbestof2025"
_NEWEST = dt.datetime(2026, 11, 1, 18, tzinfo=dt.UTC)
"""Until then the channels have the videos that `_start` counts. They go on uploading."""


def bands() -> list[dict[str, Any]]:
    """Return 24 bands as rows for `import_bands`."""
    return [_band(number, town, state) for number, (town, state) in enumerate(_TOWNS)]


def _band(number: int, town: str, state: str) -> dict[str, Any]:
    nickname = _NAMES[number % len(_NAMES)]
    address = handle(number)
    channel_id = "UC" + made_up_id(address, 22)
    forms = (address, channel_id, f"https://www.youtube.com/{address}", f"youtube.com/channel/{channel_id}/videos")
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
        "youtube_channel": OLD_HANDLE if number == MOVED else forms[number % len(forms)],
        "playlists": [PLAYLIST] if number == PRIVATE_PLAYLIST else [],
    }


def handle(number: int) -> str:
    """Return the handle of the channel of the band with this number."""
    return "@" + _TOWNS[number][0].replace(" ", "") + "Band"


def demo_world(until: dt.datetime) -> World:
    """Return a world with the channels of the bands and what they have uploaded until then."""
    world = World()
    for number, band in enumerate(bands()):
        _fill(world.add_channel(handle(number), band["name"], username=f"oldname{number}"), world, number, until)
    return world


def add_old_channel(world: World, until: dt.datetime) -> Channel:
    """Add the channel that the band that moved had until then. It is not in `demo_world`."""
    channel = world.add_channel(OLD_HANDLE, bands()[MOVED]["name"])
    _fill(channel, world, MOVED, until)
    return channel


def faults() -> list[Fault]:
    """Return the faults from which the bands with a problem suffer."""
    intermittent, forbidden = (uploads("UC" + made_up_id(handle(n), 22)) for n in (INTERMITTENT, FORBIDDEN))
    return [
        Fault("playlistItemsNotAccessible", playlist=PLAYLIST),
        Fault("forbidden", playlist=forbidden),
        Fault("unavailable", playlist=intermittent, probability=0.6),
    ]


def _fill(channel: Channel, world: World, number: int, until: dt.datetime) -> None:
    """Upload a video every few days until then: 0 to 700 before `_NEWEST`. The same ones every time, oldest first."""
    chance = random.Random(number)  # noqa: S311 - the same demonstration every time
    count = 0 if number == 3 else 700 if number == 0 else chance.randint(8, 220)
    pause = dt.timedelta(days=chance.uniform(2.5, 8))
    name, videos = channel.title, []
    for index in itertools.count():
        published = _NEWEST - (count - 1 - index) * pause + dt.timedelta(minutes=chance.randint(0, 999))
        if published > until or count == 0:
            break
        videos.append(_video(chance, channel.id, name, index, published))
    world.add_videos(channel.id, videos)


def _video(rng: random.Random, channel_id: str, band: str, index: int, published: dt.datetime) -> Video:
    odd = rng.random()
    title = f"{band} – {rng.choice(_SHOWS)} {published.year} #{index + 1}"
    return Video(
        id=made_up_id(f"{channel_id}{index}", 11),
        title=rng.choice(_ODD_TITLES) if odd < 0.05 else title,
        channel_id=channel_id,
        published_at=published,
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
