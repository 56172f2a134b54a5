"""A PostgreSQL of its own with passwords: of Debian, if it is installed, or the embedded one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from syncmonitor import embedded
from tests.processes import free_port

DEBIAN = max(Path("/usr/lib/postgresql").glob("*/bin/postgres"), default=None)
"""The newest server of Debian's packages."""
PSQL = shutil.which("psql")


class Cluster:
    """A new cluster that asks for passwords, over TCP and its socket alike. Only its superuser needs none on the socket."""

    def __init__(self, *, is_debian: bool) -> None:
        self._programs = DEBIAN.parent if is_debian and DEBIAN else embedded._programs()
        self.port = free_port()
        self._uid = embedded._postgres_uid() if os.geteuid() == 0 else None
        # The path of a socket is short, and the system user of PostgreSQL must be able to enter the folder.
        self.folder = Path(tempfile.mkdtemp(prefix="kit-", dir="/tmp"))
        if self._uid:
            os.chown(self.folder, self._uid, -1)

    def __enter__(self) -> Self:
        self._run(
            "initdb",
            "-D",
            str(self.folder / "data"),
            "-U",
            "postgres",
            "-A",
            "trust",
            "--locale=C.UTF-8",
            "-E",
            "UTF8",
        )
        (self.folder / "data/pg_hba.conf").write_text(
            "local all postgres trust\nlocal all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n"
        )
        options = f"-k {self.folder} -p {self.port} -c listen_addresses=127.0.0.1 -c synchronous_commit=off -c max_connections=150"
        self._run(
            "pg_ctl", "-D", str(self.folder / "data"), "-w", "-l", str(self.folder / "log"), "-o", options, "start"
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", "immediate", "stop")
        shutil.rmtree(self.folder)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            user=self._uid,
            extra_groups=[] if self._uid else None,
            env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
            cwd="/",
            stdin=subprocess.DEVNULL,
            # The server would keep a pipe open.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0, self.log()

    @property
    def variables(self) -> dict[str, str]:
        """What psql needs to connect as the superuser."""
        return {"PGHOST": str(self.folder), "PGPORT": str(self.port), "PGUSER": "postgres"}

    def connect(self, database: str = "syncmonitor") -> psycopg.Connection[tuple[object, ...]]:
        """Connect as the superuser."""
        return psycopg.connect(host=str(self.folder), port=self.port, user="postgres", dbname=database, autocommit=True)

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""
