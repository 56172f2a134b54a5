"""One HTTP request, without redirects, within a few seconds."""

from __future__ import annotations

import email.utils
from collections.abc import Mapping
from urllib.parse import urlsplit

import requests
from django.utils.translation import gettext as _
from requests.utils import select_proxy

from . import addresses
from .addresses import ForbiddenAddress, TookTooLong
from .messages import SendFailed

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
TOTAL_SECONDS = 20.0
USER_AGENT = "syncmonitor/1"
_MAX_RETRY_AFTER = 3600.0
_ERROR_BYTES = 200


def send(
    method: str, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None, allow_local: bool
) -> int:
    """Send a request and return its status, which is 2xx. Raises SendFailed, whose text doesn't have the URL."""
    try:
        with addresses.guarded(TOTAL_SECONDS, allow_local=allow_local), requests.Session() as session:
            session.headers["User-Agent"] = USER_AGENT
            _check_behind_proxy(session, url, allow_local=allow_local)
            with session.request(
                method,
                url,
                data=body or None,
                headers=dict(headers or {}),
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as answer:
                if 200 <= answer.status_code < 300:
                    return answer.status_code
                raise _refusal(answer)
    except ForbiddenAddress as error:
        raise SendFailed(str(error), is_final=True) from None
    except TookTooLong:
        raise SendFailed(
            _("The receiver did not answer within %(n)s seconds.") % {"n": f"{TOTAL_SECONDS:.0f}"}
        ) from None
    except (requests.RequestException, OSError, ValueError) as error:
        raise SendFailed(_words(error)) from None


def _check_behind_proxy(session: requests.Session, url: str, *, allow_local: bool) -> None:
    """Check the receiver here if a proxy will connect to it."""
    settings = session.merge_environment_settings(url, {}, None, None, None)
    if select_proxy(url, settings["proxies"]):
        addresses.check_name(urlsplit(url).hostname or "", allow_local=allow_local)


def _refusal(answer: requests.Response) -> SendFailed:
    if answer.is_redirect:
        message = _("The receiver answered %(status)s, a redirect. Enter the address that it leads to.")
        message %= {"status": answer.status_code}
    else:
        try:
            start = answer.raw.read(_ERROR_BYTES, decode_content=True) or b""
        except Exception:  # noqa: BLE001 - what the receiver says is a help, no more
            start = b""
        said = " ".join(start.decode("utf-8", "replace").split())
        said = "".join(char for char in said if char.isprintable())
        message = (
            _("The receiver answered %(status)s: %(text)s") if said else _("The receiver answered %(status)s.")
        ) % {"status": answer.status_code, "text": said}
    return SendFailed(message, status=answer.status_code, retry_after=_retry_after(answer))


def _retry_after(answer: requests.Response) -> float | None:
    """Return the seconds of Retry-After (RFC 9110, 10.2.3), which may be a date; None without a valid one."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return min(float(value[:9]), _MAX_RETRY_AFTER)
    try:
        until = email.utils.parsedate_to_datetime(value)
        # The receiver's own clock.
        now = email.utils.parsedate_to_datetime(answer.headers.get("Date", ""))
        return min(max((until - now).total_seconds(), 0.0), _MAX_RETRY_AFTER)
    except (ValueError, TypeError, IndexError):
        return None


def _words(error: Exception) -> str:
    """Return what happened. The exceptions' own texts have the URL, which may be a secret."""
    if isinstance(error, requests.exceptions.SSLError):
        return _("The receiver's certificate is not valid, or it does not speak TLS.")
    if isinstance(error, requests.exceptions.ProxyError):
        return _("The proxy refused the connection.")
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return _("The receiver could not be reached within %(n)s seconds.") % {"n": f"{CONNECT_SECONDS:.0f}"}
    if isinstance(error, requests.exceptions.Timeout):
        return _("The receiver did not answer within %(n)s seconds.") % {"n": f"{READ_SECONDS:.0f}"}
    text = str(error)
    if "NameResolution" in text or "getaddrinfo" in text or "Name or service" in text:
        return _("The receiver's host name can't be found.")
    if "refused" in text:
        return _("The receiver refuses connections.")
    if isinstance(error, requests.exceptions.ConnectionError | OSError):
        return _("The connection to the receiver broke.")
    return _("The receiver's address or answer is not valid HTTP.")
