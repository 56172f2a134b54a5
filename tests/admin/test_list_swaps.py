"""Lists answer htmx with themselves alone, so that list.js can swap them."""

from __future__ import annotations

import pytest

from syncjobs.choices import Role
from tests.clients import logged_in

pytestmark = pytest.mark.django_db
LISTS = (
    "syncjobs/syncjob",
    "syncjobs/errorgroup",
    "syncjobs/alert",
    "syncjobs/auditentry",
    "bands/band",
    "bands/video",
)


def test_a_list_answers_with_itself_alone() -> None:
    client = logged_in(Role.SUPER_ADMIN)
    headers = {"HX-Request": "true", "X-List": "1"}
    for name in LISTS:
        page = client.get(f"/admin/{name}/").content.decode()
        part = client.get(f"/admin/{name}/", headers=headers).content.decode()
        assert page.count('id="list"') == part.count('id="list"') == 1, name
        assert 'id="monitor-nav"' in page
        assert not any(text in part for text in ("<html", "monitor-nav", 'id="live"')), name
        # The links above the list lead to the filtered rows too.
        assert 'id="page-tools"' in page
        assert 'id="page-tools" class="row" hx-swap-oob="innerHTML"' in part
        rows = client.get(f"/admin/{name}/", headers={"HX-Request": "true"}).content.decode()
        assert name == "syncjobs/syncjob" or 'id="list"' not in rows, name
