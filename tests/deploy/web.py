"""Web servers as systemd starts them, and nginx in front of them with the configuration in deploy/nginx."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.deploy.systemd import notices
from tests.factories import wait_for
from tests.processes import ROOT, free_port, kill_group

HOST = "sync.example.org"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
OPENSSL = shutil.which("openssl")


class WebServer:
    """`python -m syncmonitor.web` on a socket that stays open between its processes, or on a port of its own."""

    def __init__(
        self, environment: Mapping[str, str], log: Path, listener: socket.socket | None, *options: str
    ) -> None:
        self._environment = dict(environment)
        self._log = log
        self._listener = listener
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Start a process and wait until it has told systemd that it is ready."""
        with notices() as (systemd, path):
            listener, environment = self._listener, self._environment | {"NOTIFY_SOCKET": path}
            if listener is not None:
                environment["LISTEN_FDS"] = "1"
            command = [sys.executable, "-m", "syncmonitor.web", *self._options]
            self._process = subprocess.Popen(
                ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", *command],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=self._log.open("ab"),
                stderr=subprocess.STDOUT,
                start_new_session=True,
                close_fds=False,
                preexec_fn=None if listener is None else lambda: os.dup2(listener.fileno(), 3),
            )
            wait_for(lambda: self._is_ready(systemd), 90, self.log)

    def _is_ready(self, systemd: socket.socket) -> bool:
        assert self.process.poll() is None, self.log()
        with contextlib.suppress(TimeoutError):
            return b"READY=1" in systemd.recv(100)
        return False

    def terminate(self) -> None:
        self.process.terminate()

    def restart(self) -> None:
        """Restart as systemd does: SIGTERM, wait for the end, start."""
        self.terminate()
        self.process.wait(60)
        self.start()

    def kill(self) -> None:
        if self._process is not None:
            kill_group(self._process)

    def log(self) -> str:
        return self._log.read_text(errors="replace")


def listening_socket() -> socket.socket:
    """Return a socket as the unit syncmonitor-web.socket opens it."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    return listener


@contextlib.contextmanager
def nginx(folder: Path, ports: list[int]) -> Iterator[tuple[str, ssl.SSLContext]]:
    """Run nginx with the project's configuration in front of the ports. Yield its URL, and a context that trusts it."""
    assert NGINX
    folder.mkdir(exist_ok=True)
    certificate, key = make_certificate(folder)
    http, https = free_port(), free_port()
    configuration = folder / "site.conf"
    configuration.write_text(site_configuration(ports, http, https, certificate, key))
    main = folder / "nginx.conf"
    main.write_text(
        f"""{"user root;" if os.geteuid() == 0 else ""} daemon off; pid {folder}/nginx.pid; worker_processes 2;
        error_log {folder}/nginx-error.log;
        events {{ worker_connections 1024; }}
        http {{
            access_log {folder}/nginx-access.log;
            {" ".join(f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))}
            include {configuration};
        }}"""
    )
    process = subprocess.Popen([NGINX, "-e", f"{folder}/nginx-error.log", "-c", str(main)], start_new_session=True)
    context = ssl.create_default_context(cafile=str(certificate))
    try:
        wait_for(lambda: process.poll() is not None or _accepts(https), 30, "nginx")
        assert process.poll() is None, (folder / "nginx-error.log").read_text()
        yield f"https://127.0.0.1:{https}", context
    finally:
        process.send_signal(signal.SIGQUIT)
        kill_group(process)


def site_configuration(ports: list[int], http: int, https: int, certificate: Path, key: Path) -> str:
    """Return deploy/nginx/syncmonitor.conf with other ports and another certificate."""
    text = (ROOT / "deploy/nginx/syncmonitor.conf").read_text()
    text = re.sub(r" *listen \[::].*\n", "", text)
    text = text.replace("listen 80;", f"listen 127.0.0.1:{http};").replace("listen 443 ", f"listen 127.0.0.1:{https} ")
    text = re.sub(r"ssl_certificate .*;", f"ssl_certificate {certificate};", text)
    text = re.sub(r"ssl_certificate_key .*;", f"ssl_certificate_key {key};", text)
    servers = "\n".join(rf"server 127.0.0.1:{port}\1" for port in ports)
    text, changes = re.subn(r"server 127\.0\.0\.1:8000(.*;)", servers, text)
    assert changes == 1
    return text


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for HOST that signs itself; return its path and its key's."""
    assert OPENSSL
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={HOST}"]
    files = ["-addext", f"subjectAltName=DNS:{HOST}", "-out", str(certificate), "-keyout", str(key)]
    subprocess.run([OPENSSL, *request, *files], check=True, capture_output=True)
    return certificate, key


def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
