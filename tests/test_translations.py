"""Every string of the site is translated, and pages use the translation."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polib
import pytest
from django.utils.translation import override

from syncjobs.admin.core.navigation import NAVIGATION
from syncjobs.choices import Role
from syncjobs.operations import schedules
from tests.browser import saved_world
from tests.browser.driver import addresses
from tests.clients import logged_in

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path("locale/es/LC_MESSAGES")
PLURAL_FORMS = "nplurals=2; plural=(n != 1);"
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]")
LONG_ENOUGH = 16
"""Minimum length at which a text found in a page is that text, and not part of a name or an address."""

WRITTEN_LATER = re.compile(
    r"<(time|pre|script|style|textarea)\b.*?</\1>|<[^>]*\bdata-(?:utc|wall)\b[^>]*>[^<]*|<div id=\"[^\"]*\" hidden>[^<]*",
    re.DOTALL,
)
"""Times that the script writes in the reader's language, texts from outside, and the data of charts."""
FOREIGN = re.compile(r"(?<![\d.])\d+\.\d+(?![\d.])|\d,\d{3}(?!\d)|\d{4}-\d\d-\d\d|\d%")
"""Decimals, thousands, dates and percentages as Spanish does not write them."""

Key = tuple[str, str]


def catalog() -> polib.POFile:
    return polib.pofile(str(ROOT / FOLDER / "django.po"))


def texts(entries: polib.POFile | polib.MOFile) -> dict[Key, str | dict[int, str]]:
    """Return the translation, or its plural forms, by context and English text."""
    return {(e.msgctxt or "", e.msgid): dict(e.msgstr_plural) if e.msgid_plural else e.msgstr for e in entries}


def placeholders(text: str) -> list[str]:
    return sorted(set(PLACEHOLDER.findall(text)))


def test_every_text_is_translated() -> None:
    entries = catalog()
    assert len(entries) > 1000
    assert entries.metadata["Plural-Forms"] == PLURAL_FORMS
    assert [entry.msgid for entry in entries if entry.fuzzy or not entry.translated() or entry.obsolete] == []


def test_a_translation_has_the_placeholders_of_the_english_text() -> None:
    """The singular text may omit the number in either language."""
    for entry in catalog():
        if not entry.msgid_plural:
            assert placeholders(entry.msgstr) == placeholders(entry.msgid), entry.msgid
            continue
        one, many = placeholders(entry.msgid), placeholders(entry.msgid_plural)
        assert placeholders(entry.msgstr_plural[0]) in (one, many), entry.msgid
        assert placeholders(entry.msgstr_plural[1]) == many, entry.msgid_plural


def test_compiled_translations_are_current() -> None:
    compiled = polib.mofile(str(ROOT / FOLDER / "django.mo"))
    assert texts(compiled) == texts(catalog())
    assert compiled.metadata["Plural-Forms"] == PLURAL_FORMS


def test_every_marked_string_is_in_the_catalog(tmp_path: Path) -> None:
    if shutil.which("xgettext") is None:
        message = "There is no xgettext on the PATH: install gettext."
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    for name in ("bands", "syncjobs", "syncmonitor", "templates", "locale"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "static"))
    shutil.copy(ROOT / "manage.py", tmp_path)
    command = [sys.executable, "manage.py", "makemessages", "-l", "es", "--no-obsolete", "--no-location", "--no-wrap"]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "syncmonitor.settings"}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=120)
    gathered = polib.pofile(str(tmp_path / FOLDER / "django.po"))
    assert texts(gathered).keys() == texts(catalog()).keys(), "run `make messages`"


@pytest.mark.django_db(transaction=True)
def test_every_page_is_in_the_language_of_the_browser() -> None:
    saved_world.fill()
    client = logged_in(Role.SUPER_ADMIN)
    english = {
        text
        for entry in catalog()
        if len(entry.msgid) >= LONG_ENOUGH and not entry.msgid_plural and entry.msgstr != entry.msgid
        if not placeholders(text := entry.msgid)
    }
    english -= set(schedules.list_schedules().values_list("name", flat=True))  # People choose these names.
    opened = 0
    for address in addresses().values():
        answer = client.get(address, headers={"accept-language": "es"}, follow=True)
        if answer.status_code == 405:
            continue  # A button's address, not a page.
        assert (address, answer.status_code) == (address, 200)
        opened += 1
        page = answer.content.decode()
        assert '<html lang="es"' in page, address
        assert _navigation(page) == _labels("es"), address
        words = html.unescape(re.sub(r"<[^>]*>", "\n", page))
        lines = {line.strip() for line in words.splitlines()}
        assert lines & english == set(), address
        if (
            "/quotacall/" not in address and "/jobevent/" not in address and "/attempt/" not in address
        ):  # As they are stored.
            assert FOREIGN.findall(html.unescape(re.sub(r"<[^>]*>", "\n", WRITTEN_LATER.sub("", page)))) == [], address
    assert opened > 20


def _navigation(page: str) -> list[str]:
    found = re.search(r'<nav id="monitor-nav".*?</nav>', page, re.DOTALL)
    assert found
    entries = re.findall(
        r"<li(?![^>]*nav-phone).*?</li>", re.sub(r"<span.*?</span>", "", found[0], flags=re.S), re.S
    )  # Without the number.
    return [html.unescape(re.sub(r"<[^>]*>", "", entry)).strip() for entry in entries]


def _labels(language: str) -> list[str]:
    with override(language):
        return [str(label) for _name, label, *_rest in NAVIGATION]


def test_no_label_of_the_navigation_is_english() -> None:
    same = [spanish for spanish, english in zip(_labels("es"), _labels("en"), strict=True) if spanish == english]
    assert same == ["Videos"]  # The word is the same in Spanish.


def test_a_refusal_is_in_the_language_of_the_browser(db: None) -> None:
    answer = logged_in(Role.MODERATOR).get(
        "/admin/syncjobs/syncjob/?status=SLEEPING", headers={"accept-language": "es"}
    )
    assert "Debe ser uno de" in answer.content.decode()
