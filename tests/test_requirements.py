"""What is installed is what was pinned: every file has a hash, and images have narrow tags."""

from __future__ import annotations

import re

import pytest

from tests.processes import ROOT

PINNED = ("requirements.txt", "requirements-embedded.txt", "requirements-observability.txt", "requirements-dev.txt")
DOCKERFILE, COMPOSE, MAKEFILE = (ROOT / name for name in ("Dockerfile", "compose.yaml", "Makefile"))


@pytest.mark.parametrize("name", PINNED)
def test_every_requirement_is_pinned_with_hashes(name: str) -> None:
    text = (ROOT / name).read_text()
    blocks = re.findall(r"^[a-zA-Z0-9](?:.*\\\n)*.*", text, re.MULTILINE)
    assert len(blocks) > 2
    assert not [block for block in blocks if not re.match(r"[\w.\[\],-]+==\S+ \\\n +--hash=sha256:[0-9a-f]{64}", block)]
    assert "WARNING" not in text


def test_every_installation_requires_the_hashes() -> None:
    for path in (DOCKERFILE, MAKEFILE):
        text = path.read_text()
        command = "".join(re.findall("^INSTALL := (.*)", text, re.MULTILINE))
        lines = text.replace("$(INSTALL)", command).splitlines()
        installs = [line for line in lines if "pip install" in line and "-r " in line]
        assert installs, path
        assert all("--require-hashes" in line for line in installs), path
    assert "--generate-hashes" in MAKEFILE.read_text()


def test_images_have_the_narrowest_tags() -> None:
    images = re.findall(r"^(?:FROM| +image:) (\S+)", DOCKERFILE.read_text() + COMPOSE.read_text(), re.MULTILINE)
    images.remove("syncmonitor:${VERSION:-1.0}")  # Our own.
    assert len(images) == 4
    assert all(re.fullmatch(r"[a-z]+:\d+\.\d+(\.\d+)?(-slim)?-[a-z]+", image) for image in images), images


def test_the_image_has_the_python_that_the_requirements_were_pinned_with() -> None:
    for name in PINNED:
        [pinned] = re.findall(r"pip-compile with Python (3\.\d+)", (ROOT / name).read_text())
        assert set(re.findall(r"^FROM python:(3\.\d+)\.", DOCKERFILE.read_text(), re.MULTILINE)) == {pinned}
