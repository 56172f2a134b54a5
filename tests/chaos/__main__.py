"""python -m tests.chaos --seed 7 --minutes 10"""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import shutil
import signal
import sys

from . import clock
from .plan import LONG_SECONDS

_ENVIRONMENT = {
    "DEBUG": "true",
    "DJANGO_SETTINGS_MODULE": "syncmonitor.settings",
    "YOUTUBE_TIMEOUT_SECONDS": "3",
    "YOUTUBE_QUOTA_MAIN": "1000000",
    "YOUTUBE_QUOTA_STATS": "1000000",
    "YOUTUBE_QUOTA_RESERVED": "0",
    "SYNC_LEASE_SECONDS": "4",
    "SYNC_CANCEL_GRACE_SECONDS": "3",
    "SYNC_RETRY_BASE_SECONDS": "1",
    "SYNC_RETRY_MAX_SECONDS": "5",
    "SYNC_MAX_ATTEMPTS": "4",
    "SYNC_MIN_INTERVAL_SECONDS": "5",
}


def main() -> int:
    """0 if all invariants hold, 1 if not."""
    parser = argparse.ArgumentParser(
        description="Run the site under a mixed load and faults, and check its invariants."
    )
    parser.add_argument("--seed", type=int, default=1, help="decides the world, the load and the faults (default 1)")
    parser.add_argument("--minutes", type=float, default=2.0, help="how long load and faults last (default 2)")
    options = parser.parse_args()
    if options.minutes * 60 >= LONG_SECONDS:
        clock.move(to_reset_in=options.minutes * 60 * 0.6)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit("Stopped."))
    os.environ |= _ENVIRONMENT | {
        "SYNCMONITOR_INSTANCE": f"chaos-{os.getpid()}",
        "YOUTUBE_API_KEY": f"AIza-chaos-{secrets.token_hex(12)}",
    }
    for name in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(name, None)
    from syncmonitor import embedded

    embedded.ensure()
    try:
        import django

        django.setup()
        from django.conf import settings

        from .run import Run

        settings.DEBUG = False  # or every statement would be remembered
        logging.getLogger("httpx").setLevel("WARNING")
        holds = Run(options.seed, options.minutes * 60).run()
    finally:
        embedded.release()
        clock.remove()
    if holds:
        shutil.rmtree(embedded.home(), ignore_errors=True)
    return int(not holds)


if __name__ == "__main__":
    sys.exit(main())
