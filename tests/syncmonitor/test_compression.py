"""Pages are compressed; streams and the API's responses are not."""

from __future__ import annotations

import gzip

import pytest

from syncjobs.choices import Role
from tests.clients import logged_in

pytestmark = pytest.mark.django_db
GZIP = {"Accept-Encoding": "gzip, br"}


def test_only_pages_are_compressed() -> None:
    client = logged_in(Role.MODERATOR)
    plain, packed = (client.get("/admin/syncjobs/syncjob/", headers=headers) for headers in ({}, GZIP))
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert b"</html>" in gzip.decompress(packed.content)
    assert len(packed.content) == int(packed.headers["Content-Length"]) < len(plain.content) / 2
    assert all("Accept-Encoding" in answer.headers["Vary"] for answer in (plain, packed))
    export = client.get("/admin/syncjobs/syncjob/export/", headers=GZIP)
    assert export.streaming
    of_api = client.get("/api/schema/", headers=GZIP)
    for answer in (export, of_api):
        assert "Content-Encoding" not in answer.headers
