"""All benches, one after the other: `make bench`.

python -m tests.bench            the lists, in API and admin, the dashboard and the alerts at 10,000,000 jobs
python -m tests.bench 1000000    at another size
"""

from __future__ import annotations

import subprocess
import sys

_OWN = ("sync", "freshness", "burst", "throughput", "exports", "viewers", "lifecycle", "live", "pages", "attack")
_SIZED = ("lists", "admin_list", "list_clicks", "admin_dashboard", "alerts")
JOBS = "10000000"


def main() -> int:
    """0 if all figures hold. Each bench is a process of its own, on services of its own."""
    size = sys.argv[1:2] or [JOBS]
    benches = [(name, []) for name in _OWN] + [(name, size) for name in _SIZED]
    failed = [name for name, given in benches if _run(name, given)]
    sys.stdout.write(f"\nDoes not hold: {', '.join(failed)}\n" if failed else "\nAll of it holds.\n")
    return int(bool(failed))


def _run(name: str, given: list[str]) -> int:
    return subprocess.run([sys.executable, "-m", f"tests.bench.{name}", *given], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
