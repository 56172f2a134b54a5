"""The part of systemd that the units in deploy/systemd use, to run them where it is not process 1."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import socket
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.factories import wait_for
from tests.processes import kill_group


@contextlib.contextmanager
def notices() -> Iterator[tuple[socket.socket, str]]:
    """Yield a socket that receives what a service says of itself, and its path, which is short as those of sockets must be."""
    with (
        tempfile.TemporaryDirectory(prefix="notify-", dir="/tmp") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver,
    ):
        path = f"{folder}/socket"
        receiver.bind(path)
        receiver.settimeout(1)
        yield receiver, path


class Systemd:
    """Starts, stops and restarts units: services of the types oneshot and notify, sockets, and targets."""

    def __init__(self, folder: Path, moved: Callable[[str], str], environment: Mapping[str, str], state: Path) -> None:
        """`moved` replaces paths of the system by those of the test. `state` is a folder for logs and sockets."""
        self._folder, self._moved, self._environment, self._state = folder, moved, dict(environment), state
        self._sockets: dict[str, socket.socket] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """Start a unit and wait until it is ready, or has run to its end."""
        if name.endswith(".target"):
            for wanted in self._read(name)["Wants"]:
                for each in wanted.split():
                    self.start(each)
        elif name.endswith(".socket"):
            self._listen(name)
        elif not self.is_running(name):
            self._start_service(name)

    def is_running(self, name: str) -> bool:
        return name in self.processes and self.processes[name].poll() is None

    def stop(self, name: str) -> None:
        """Send SIGTERM to the main process, and SIGKILL to all at the time limit."""
        process, unit = self.processes.pop(name), self._read(name)
        process.terminate()
        try:
            process.wait(float(unit["TimeoutStopSec"][0]))
        finally:
            kill_group(process)

    def restart(self, name: str) -> None:
        self.stop(name)
        self.start(name)

    def kill_all(self) -> None:
        for process in self.processes.values():
            kill_group(process)
        for listener in self._sockets.values():
            listener.close()

    def logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')}" for path in self._state.glob("*.log"))

    def _read(self, name: str) -> dict[str, list[str]]:
        """Return the values of each directive of a unit, or of the template of an instance."""
        instance = re.search("@(.*)[.]", name)
        text = (self._folder / re.sub("@.*[.]", "@.", name)).read_text()
        for specifier, value in (("%i", instance[1] if instance else ""), ("%H", "host")):
            text = text.replace(specifier, value)
        values: defaultdict[str, list[str]] = defaultdict(list)
        for key, value in re.findall(r"^(\w+)=(.*)$", self._moved(text), re.MULTILINE):
            values[key].append(value)
        return values

    def _listen(self, name: str) -> None:
        if name not in self._sockets:
            host, _, port = self._read(name)["ListenStream"][0].partition(":")
            listener = self._sockets[name] = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, int(port)))
            listener.listen(1024)

    def _variables(self, unit: Mapping[str, list[str]]) -> dict[str, str]:
        """Return the environment of a service. Later files replace the values of earlier ones."""
        variables = dict(self._environment)
        for path in unit.get("EnvironmentFile", []):
            variables |= dict(re.findall(r"^([A-Z_]+)=(.*)$", Path(path).read_text(), re.MULTILINE))
        return variables

    def _start_service(self, name: str) -> None:
        unit = self._read(name)
        for credential in unit["LoadCredential"]:
            id_, _, path = credential.partition(":")
            target = Path(self._moved(f"/run/credentials/{name}")) / id_
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(Path(path).read_bytes())
        if unit["Type"] == ["oneshot"]:
            for command in unit["ExecStart"]:
                process = self._popen(name, unit, command, {})
                assert process.wait(300) == 0, self.logs()
            return
        with notices() as (receiver, path):
            self.processes[name] = self._popen(name, unit, unit["ExecStart"][0], {"NOTIFY_SOCKET": path})

            def is_ready() -> bool:
                assert self.is_running(name), self.logs()
                try:
                    return b"READY=1" in receiver.recv(100)
                except TimeoutError:
                    return False

            wait_for(is_ready, 120, self.logs)

    def _popen(
        self, name: str, unit: Mapping[str, list[str]], command: str, variables: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        listeners = [self._sockets[each] for each in unit.get("Sockets", [])]
        if listeners:
            variables = variables | {"LISTEN_FDS": str(len(listeners))}
        (first,) = listeners or [None]
        return subprocess.Popen(
            ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", *shlex.split(command)],
            cwd=unit["WorkingDirectory"][0],
            env=self._variables(unit) | variables,
            stdin=subprocess.DEVNULL,
            stdout=(self._state / f"{name}.log").open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=False,
            preexec_fn=None if first is None else lambda: os.dup2(first.fileno(), 3),
        )
