"""Request bodies on the real server: chunked, too large, too slow, and forms that can't be parsed."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.urls import get_resolver
from pytest_django import DjangoDbBlocker

from bands.models import Band
from syncjobs.choices import QueueName, Role
from syncjobs.models import Queue
from syncjobs.operations import people
from tests.clients import PASSWORD
from tests.factories import PERSON
from tests.processes import pooled_server

pytestmark = pytest.mark.django_db(transaction=True)
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def site(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    with django_db_blocker.unblock(), pooled_server() as (url, _):
        yield url


@pytest.fixture
def admin(site: str) -> Iterator[httpx.Client]:
    """A client of the API and the admin, with a token and a session of an ADMIN."""
    people.save_user(PERSON, "ada", PASSWORD, Role.ADMIN)
    with httpx.Client(base_url=site, timeout=30) as client:
        tokens = client.post("/api/auth/token", json={"username": "ada", "password": PASSWORD}).json()
        client.headers["Authorization"] = f"Bearer {tokens['access']}"
        client.get("/admin/login/")
        form = {"username": "ada", "password": PASSWORD, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        assert client.post("/admin/login/", data=form).status_code == 302
        yield client


def chunked(body: bytes) -> Iterator[bytes]:
    """Yield the body in two parts; httpx sends what has no length in chunks."""
    yield body[: len(body) // 2]
    yield body[len(body) // 2 :]


def form(client: httpx.Client, **values: str) -> bytes:
    token = client.cookies["csrftoken"]
    return "&".join(f"{name}={value}" for name, value in {"csrfmiddlewaretoken": token, **values}.items()).encode()


def raw(site: str, head: str, body: bytes = b"") -> bytes:
    """Send a request as it is, and return the response."""
    address = urlsplit(site)
    with socket.create_connection((address.hostname, address.port), timeout=30) as client:
        client.sendall(f"{head}\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode() + body)
        return b"".join(iter(lambda: client.recv(65536), b""))


# ---- Chunked


def test_a_chunked_body_of_the_api_is_read(admin: httpx.Client) -> None:
    body = json.dumps({"queue": "maintenance", "reason": "Work"}).encode()
    answer = admin.post("/api/admin/queue/pause", content=chunked(body), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["message"]) == (200, "Paused: maintenance.")
    assert [queue.name for queue in Queue.objects.exclude(paused_at=None)] == [QueueName.MAINTENANCE]
    band = Band.objects.create(slug="herons", name="Herons")
    path, headers = f"/api/bands/{band.pk}", {"Content-Type": "application/json"}
    assert admin.patch(path, content=chunked(b'{"city": "Ashby"}'), headers=headers).json()["city"] == "Ashby"
    band.refresh_from_db()
    assert band.city == "Ashby"
    assert admin.request("DELETE", path, content=chunked(b'{"x": 1}'), headers=headers).status_code == 400


def test_a_chunked_body_is_parsed_at_every_address_of_the_api(admin: httpx.Client) -> None:
    """A body that is not JSON is an error everywhere, so an address that answers otherwise has not read it."""
    fill = {"id": "1", "slug": "x", "str": "x"}
    found = 0
    for pattern in get_resolver("syncjobs.api.urls").url_patterns:
        path = "/api/" + re.sub(r"<(\w+):\w+>", lambda match: fill[match[1]], str(pattern.pattern))
        actions = getattr(pattern.callback, "actions", {})
        for method in {"post", "patch", "delete"} & set(actions):
            headers = {"Content-Type": "application/json"}
            answer = admin.request(method.upper(), path, content=chunked(b'{"a": '), headers=headers)
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "parse_error"), (method, path)
            found += 1
    assert found > 20


def test_a_chunked_form_of_the_admin_is_read(admin: httpx.Client) -> None:
    headers = {"Content-Type": FORM}
    wrong = admin.post("/admin/login/", content=chunked(form(admin, username="x", password="y")), headers=headers)
    assert wrong.status_code == 200
    assert "Please enter the correct username and password" in wrong.text
    boundary = "x" * 20
    parts = {
        "csrfmiddlewaretoken": ("", admin.cookies["csrftoken"]),
        "file": ('; filename="b.csv"', "slug,name\na,A\n"),
    }
    body = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n{value}\r\n'
        for name, (extra, value) in parts.items()
    )
    answer = admin.post(
        "/admin/import/",
        content=chunked(f"{body}--{boundary}--\r\n".encode()),
        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )
    assert (answer.status_code, "Import 1 band" in answer.text) == (200, True)


# ---- Too large


@pytest.mark.parametrize("path", ["/api/auth/token", "/api/admin/sync-jobs/bulk", "/nowhere", "/healthz"])
def test_a_large_body_is_refused_before_it_is_sent(site: str, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {200_000_000}\r\nExpect: 100-continue"
    answer = raw(site, head)
    status = b"405" if path == "/healthz" else b"413"
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"100 Continue" not in answer


def test_a_sender_who_waits_for_100_continue_may_send_what_is_small_enough(site: str) -> None:
    head = (
        "POST /api/auth/token HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue"
    )
    answer = raw(site, head, b"{}")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 ")


def test_a_chunked_body_is_counted(admin: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(2000):
            yield b"x" * 10_000

    for path in ("/api/auth/token", "/admin/login/", "/api/bands"):
        answer = admin.post(path, content=endless(), headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.headers["Connection"]) == (413, "close")
        assert "64 kB" in answer.text


def test_only_those_who_may_import_send_a_large_file(admin: httpx.Client, site: str) -> None:
    rows = f"slug,name\na,{'x' * 80_000}\n"
    token = {"csrfmiddlewaretoken": admin.cookies["csrftoken"]}
    assert admin.post("/admin/import/", data=token, files={"file": ("b.csv", rows)}).status_code == 200
    huge = admin.post("/admin/import/", data=token, files={"file": ("b.csv", b"x" * 21_000_000)})
    assert (huge.status_code, "larger than 20 MB" in huge.text) == (413, True)
    anonymous = httpx.post(f"{site}/admin/import/", data=token, files={"file": ("b.csv", rows)}, timeout=30)
    assert anonymous.status_code == 413
    get_user_model().objects.get().groups.set(Group.objects.filter(name=Role.MODERATOR))
    assert admin.post("/admin/import/", data=token, files={"file": ("b.csv", rows)}).status_code == 413


def test_ids_of_jobs_have_a_limit_of_their_own(admin: httpx.Client, site: str) -> None:
    body = {"action": "cancel", "ids": [str(900_000_000_000_000_000 + number) for number in range(10_000)]}
    assert admin.post("/api/admin/sync-jobs/bulk", json=body).status_code == 202
    assert httpx.post(f"{site}/api/admin/sync-jobs/bulk", json=body, timeout=30).status_code == 401
    body["ids"] *= 2
    assert admin.post("/api/admin/sync-jobs/bulk", json=body).status_code == 413


# ---- Lies and delays


def test_a_body_shorter_than_its_length_acts_on_nothing(admin: httpx.Client, site: str) -> None:
    address = urlsplit(site)
    head = (
        "POST /api/admin/queue/pause HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: {admin.headers['Authorization']}\r\nContent-Length: 500\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port)) as client:
        client.sendall(head.encode() + b'{"reason": "Half of it"}')
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) in (b"",) or True
    assert admin.get("/healthz").status_code == 200
    assert not Queue.objects.exclude(paused_at=None).exists()


@pytest.mark.parametrize(
    "lengths", ["Content-Length: -1", "Content-Length: 5\r\nTransfer-Encoding: chunked", "Content-Length: x"]
)
def test_an_ambiguous_length_is_refused(site: str, lengths: str) -> None:
    head = f"POST /api/auth/token HTTP/1.1\r\nContent-Type: application/json\r\n{lengths}"
    assert raw(site, head, b"0\r\n\r\n").startswith(b"HTTP/1.1 400 ")


# ---- Forms


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        (FORM, b"x=" + b"1" * 2_621_441, 413),
        (FORM, b"&".join(b"a=1" for _ in range(1001)), 400),
        (f"{FORM}; charset=utf-7", b"username=x&password=y", 415),
        (f"{FORM}; charset=zlib", b"username=x&password=y", 415),
        ("multipart/form-data", b"x", 400),
        ("multipart/form-data; boundary=\xe9".encode("latin-1").decode("latin-1"), b"x", 400),
        (f"{FORM}; charset=UTF-8", b"username=x&password=y", 403),
    ],
)
@pytest.mark.parametrize("path", ["/admin/login/", "/admin/import/", "/nowhere"])
def test_a_form_that_cannot_be_parsed_is_refused_with_a_page(
    site: str, kind: str, body: bytes, status: int, path: str
) -> None:
    headers = {b"Content-Type": kind.encode("latin-1")}
    answer = httpx.post(site + path, content=body, headers=headers, timeout=30)
    assert answer.status_code == (404 if (path, status) == ("/nowhere", 403) else status)
    assert "<h1>" in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("path", ["/admin/login/", "/admin/", "/api/bands", "/api/auth/token", "/nowhere", "/metrics"])
def test_too_many_parameters_in_an_address_are_refused(site: str, path: str) -> None:
    answer = httpx.get(site + path, params=[("a", "1")] * 1001, timeout=30)
    assert answer.status_code == (404 if path == "/metrics" else 400)
    odd = {"Content-Type": "application/json; charset=utf-7"}
    json_answer = httpx.get(f"{site}/api/bands", headers=odd, timeout=30)
    assert json_answer.status_code == 401


def test_json_in_another_charset_is_refused(admin: httpx.Client) -> None:
    headers = {"Content-Type": "application/json; charset=utf-16"}
    answer = admin.post("/api/admin/queue/pause", content='{"reason": "x"}'.encode("utf-16"), headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (415, "unsupported_media_type")
