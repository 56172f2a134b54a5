"""All benches, one after the other: `make bench`.

python -m tests.bench            the lists at 10,000,000 jobs
python -m tests.bench 1000000    at another size
"""

from __future__ import annotations

import subprocess
import sys

_OWN = ("throughput", "exports", "viewers", "lifecycle")


def main() -> int:
    """0 if all figures hold. Each bench is a process of its own, on services of its own."""
    failed = [
        name for name in _OWN if subprocess.run([sys.executable, "-m", f"tests.bench.{name}"], check=False).returncode
    ]
    lists = subprocess.run([sys.executable, "-m", "tests.bench.lists", *sys.argv[1:]], check=False)
    if lists.returncode:
        failed.append("lists")
    sys.stdout.write(f"\nDoes not hold: {', '.join(failed)}\n" if failed else "\nAll of it holds.\n")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
