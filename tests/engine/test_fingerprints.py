"""Fingerprints that group errors."""

from __future__ import annotations

from syncjobs.engine.fingerprints import fingerprint


def test_errors_that_differ_in_ids_and_numbers_share_a_fingerprint() -> None:
    same = [
        ("notFound", "YouTube no longer has the channel UCabcdefghijklmnopqrstuv."),
        ("notFound", "YouTube no longer has the channel UC0123456789012345678901."),
    ]
    assert len({fingerprint(*error) for error in same}) == 1
    assert len({fingerprint("timeout", f"No answer within {n} seconds for dQw4w9WgXc{n}") for n in range(9)}) == 1
    assert fingerprint("a", "information") != fingerprint("a", "application")
    assert fingerprint("a", "same") != fingerprint("b", "same")
