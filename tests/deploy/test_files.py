"""The files in deploy/ and compose.yaml: valid, and in step with the application's own limits."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.urls import reverse

from syncjobs.choices import QueueName
from syncmonitor import bodies, draining
from tests.deploy.web import NGINX, OPENSSL, make_certificate, site_configuration
from tests.processes import ROOT

DEPLOY = ROOT / "deploy"
UNITS = sorted(path.name for path in (DEPLOY / "systemd").glob("*.*"))
SERVICES = [name for name in UNITS if name.endswith(".service")]
KUBERNETES = DEPLOY / "kubernetes"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SETTINGS = set(re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs/operations.md").read_text(), re.MULTILINE))
MOST_EXPOSURE = 30
"""Of systemd-analyze: 100 is a service that may do anything."""


def unit(name: str) -> str:
    return (DEPLOY / "systemd" / name).read_text()


def manifests() -> list[dict[str, Any]]:
    files = [KUBERNETES / name for name in yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]]
    return [manifest for path in files for manifest in yaml.safe_load_all(path.read_text())]


def pods() -> dict[str, dict[str, Any]]:
    """Return the specification of each pod by the name of what runs it."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in manifests() if "template" in str(each)
    }


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with programs that exist on this machine."""
    bin_folder = str(Path(sys.executable).parent)
    for name in UNITS:
        (tmp_path / name).write_text(unit(name).replace("/opt/syncmonitor/.venv/bin", bin_folder))
    return tmp_path


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed.")
def test_the_units_of_systemd_are_valid(units: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *[units / name for name in UNITS]],
        capture_output=True,
        text=True,
        check=False,
    )
    # A machine whose own units are incomplete is none of our business.
    ours = [line for line in done.stderr.splitlines() if "syncmonitor" in line and "/opt/syncmonitor" not in line]
    assert ours == []


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed.")
@pytest.mark.parametrize("name", SERVICES)
def test_the_services_may_do_little(name: str, units: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSURE}", "--no-pager"]
    done = subprocess.run([*command, units / name], capture_output=True, text=True, check=False)
    if "offline" in done.stderr or "Unknown" in done.stderr:
        pytest.skip("This systemd can't check files.")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_the_services_have_limits(name: str) -> None:
    text = unit(name)
    if "migrate" not in name:
        assert {"Restart=always", "StartLimitBurst=10", "StartLimitIntervalSec=300"} <= set(text.splitlines())
        assert "MemoryMax=" in text
        assert "Type=notify" in text
        assert "WantedBy=syncmonitor.target" in text
    assert "User=syncmonitor\n" in text


def test_the_drain_is_longer_than_the_proxy_keeps_connections() -> None:
    nginx = (DEPLOY / "nginx/syncmonitor.conf").read_text()
    (keep_alive,) = re.findall(r"^    keepalive_timeout (\d+)s;", nginx, re.MULTILINE)
    assert int(keep_alive) + 1 <= draining.DRAIN_SECONDS
    assert int(keep_alive) + 1 <= draining.KEEP_ALIVE_SECONDS
    longest = draining.DRAIN_SECONDS + draining.GRACE_SECONDS + 1
    (stop,) = re.findall(r"^TimeoutStopSec=(\d+)", unit("syncmonitor-web@.service"), re.MULTILINE)
    assert int(stop) > longest
    assert int(COMPOSE["services"]["web"]["stop_grace_period"].removesuffix("s")) > longest
    pod = pods()["web"]
    (container,) = pod["containers"]
    drain = float(container["args"][container["args"].index("--drain") + 1])
    assert pod["terminationGracePeriodSeconds"] > drain + draining.GRACE_SECONDS + 1
    probe = container["readinessProbe"]
    assert drain >= 2 * (probe["periodSeconds"] * probe["failureThreshold"])


def test_the_proxies_take_what_the_site_takes() -> None:
    largest = bodies._allowances()[reverse("admin:import")].most
    assert largest == max(each.most for each in bodies._allowances().values())
    assert f"client_max_body_size {largest};" in (DEPLOY / "nginx/syncmonitor.conf").read_text()
    (ingress,) = (each for each in manifests() if each["kind"] == "Ingress")
    assert ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"] == str(largest)


def test_nginx_never_repeats_what_writes() -> None:
    text = re.sub("#.*", "", (DEPLOY / "nginx/syncmonitor.conf").read_text())
    assert "proxy_next_upstream error timeout;" in text
    assert "non_idempotent" not in text


@pytest.mark.skipif(not NGINX or not OPENSSL, reason="nginx and openssl are not installed.")
def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    (tmp_path / "site.conf").write_text(site_configuration([8001, 8002], 18080, 18443, certificate, key))
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; events {{}} http {{ access_log off; include {tmp_path}/site.conf; }}"
    )
    assert NGINX
    done = subprocess.run(
        [NGINX, "-t", "-e", f"{tmp_path}/log", "-c", tmp_path / "nginx.conf"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def commands() -> Iterator[tuple[str, str]]:
    """Yield where a command is and the command, of every process that the kit starts."""
    for name in SERVICES:
        yield from ((name, line) for line in re.findall("^ExecStart=(.+)", unit(name), re.MULTILINE))
    for name, service in COMPOSE["services"].items():
        command = service.get("command", "")
        yield f"compose.yaml: {name}", command if isinstance(command, str) else " ".join(command)
    for name, pod in pods().items():
        yield f"kubernetes: {name}", " ".join(map(str, pod["containers"][0]["args"]))


def test_every_worker_takes_every_queue() -> None:
    workers = [(where, command) for where, command in commands() if " worker " in f"{command} "]
    assert len(workers) == 3
    for where, command in workers:
        match = re.search(r"-Q (\S+)", command)
        assert match, where
        assert set(match[1].split(",")) == set(QueueName.values), where


def test_every_setting_of_the_kit_exists() -> None:
    names = set(re.findall(r"^([A-Z_]+)=", (DEPLOY / "environment.example").read_text(), re.MULTILINE))
    names |= set(re.findall(r"^([A-Z_]+)=", (DEPLOY / "migrate.example").read_text(), re.MULTILINE))
    names |= set(re.findall(r"^([A-Z_]+)=", (KUBERNETES / "settings.env").read_text(), re.MULTILINE))
    for service in ("migrate", "web", "worker", "beat"):
        names |= set(COMPOSE["services"][service]["environment"])
    assert len(names) > 8
    # Of uvicorn.
    known = SETTINGS | {"FORWARDED_ALLOW_IPS"}
    assert {name for name in names if name.removesuffix("_FILE") not in known and name not in known} == set()


def test_every_container_is_checked_and_limited() -> None:
    for name, service in COMPOSE["services"].items():
        assert service["logging"]["options"]["max-size"], name
        assert {"cpus", "memory", "pids"} <= set(service["deploy"]["resources"]["limits"]), name
        assert "no-new-privileges:true" in service["security_opt"], name
        # The image checks the web server itself.
        if name not in ("web", "migrate"):
            assert service["healthcheck"]["test"], name
        if "build" not in service:
            assert re.search(r":\d+\.\d+(\.\d+)?-\w+$", service["image"]), name
    for image in re.findall("^FROM (.+?)(?: AS .*)?$", (ROOT / "Dockerfile").read_text(), re.MULTILINE):
        assert re.search(r":\d+\.\d+\.\d+-slim-\w+$", image)


def test_no_container_gets_a_password_in_a_url_or_its_environment() -> None:
    for name, service in COMPOSE["services"].items():
        for variable, value in service.get("environment", {}).items():
            assert "PASSWORD" not in variable or variable.endswith("_FILE"), name
            assert not re.search(r"://[^/]*:[^/]*@", str(value)), name


def test_the_manifests_are_valid() -> None:
    validator = pytest.importorskip("kubernetes_validate")
    for manifest in manifests():
        validator.validate(manifest, "1.30", strict=True)


def test_the_pods_are_checked_and_limited() -> None:
    assert set(pods()) == {"migrate", "web", "worker", "beat"}
    for name, pod in pods().items():
        (container,) = pod["containers"]
        assert {"cpu", "memory"} == set(container["resources"]["limits"]) == set(container["resources"]["requests"])
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert ("livenessProbe" in container) == (name != "migrate")
        assert ("readinessProbe" in container) == (name == "web")
    budgets = {each["metadata"]["name"] for each in manifests() if each["kind"] == "PodDisruptionBudget"}
    assert budgets == {"web", "worker"}


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed.")
def test_kustomize_builds_the_manifests(tmp_path: Path) -> None:
    shutil.copytree(KUBERNETES, tmp_path / "kubernetes", ignore=shutil.ignore_patterns("secrets"))
    (tmp_path / "kubernetes/secrets").mkdir()
    for name in ("secret_key", "database_password", "youtube_api_key", "owner_password"):
        (tmp_path / "kubernetes/secrets" / name).write_text("x")
    done = subprocess.run(
        ["kubectl", "kustomize", tmp_path / "kubernetes"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    assert len(built) == len(manifests()) + 3
    images = {each["spec"]["template"]["spec"]["containers"][0]["image"] for each in built if "template" in str(each)}
    assert images == {"registry.example.org/syncmonitor:1.0"}


def test_no_secret_is_in_git() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("This is not a checkout.")
    for path in ("secrets/secret_key", "deploy/kubernetes/secrets/secret_key"):
        assert subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, check=False).returncode == 0


def test_the_probe_sees_how_old_the_file_is(tmp_path: Path) -> None:
    (test,) = {str(COMPOSE["services"][name]["healthcheck"]["test"]) for name in ("worker", "beat")}
    command = ast.literal_eval(test)[1]
    assert command == pods()["worker"]["containers"][0]["livenessProbe"]["exec"]["command"][-1]
    alive = tmp_path / "alive"

    def is_alive() -> bool:
        return subprocess.run(["sh", "-c", command.replace("/tmp/alive", str(alive))], check=False).returncode == 0

    assert not is_alive()
    alive.touch()
    assert is_alive()
    os.utime(alive, (alive.stat().st_mtime - 200,) * 2)
    assert not is_alive()
