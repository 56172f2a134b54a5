"""Everything that Apprise speaks: Slack, Discord, Teams, Telegram, ntfy, PagerDuty, Opsgenie and more."""

from __future__ import annotations

import logging
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.utils.translation import gettext as _

from . import addresses
from .addresses import ForbiddenAddress, TookTooLong
from .http import TOTAL_SECONDS
from .messages import Message, SendFailed

_LOCAL = frozenset(
    # They show a message on this machine, or write to its log.
    ("dbus", "qt", "kde", "glib", "gnome", "macosx", "windows", "syslog", "rsyslog")
)
_FILES = frozenset(("template", "keyfile", "subfile", "pgpkey", "pgp", "cert", "attach"))
"""Parameters by which some services read files of this machine, which an admin of the site may not."""
MAX_URL = 2000


def send(url: str, message: Message, *, allow_local: bool) -> None:
    """Send the message. Raises SendFailed."""
    import apprise

    kind = {"CRITICAL": apprise.NotifyType.FAILURE, "WARNING": apprise.NotifyType.WARNING}
    service = _service(url)
    sender = apprise.Apprise(asset=_asset())
    sender.add(service)
    try:
        with addresses.guarded(TOTAL_SECONDS, allow_local=allow_local):
            result = sender.notify(
                body=message.text,
                title=message.title,
                notify_type=kind.get(message.severity, apprise.NotifyType.INFO),
                body_format=apprise.NotifyFormat.TEXT,
            )
            if not result:
                raise SendFailed(_reason(result, url))
    except ForbiddenAddress as error:
        raise SendFailed(str(error), is_final=True) from None
    except TookTooLong:
        raise SendFailed(
            _("The service did not answer within %(n)s seconds.") % {"n": f"{TOTAL_SECONDS:.0f}"}
        ) from None
    except SendFailed:
        raise
    except Exception as error:  # noqa: BLE001 - a service of Apprise may raise anything
        raise SendFailed(_("The service could not be called (%(error)s).") % {"error": type(error).__name__}) from None


def check(url: str, *, allow_local: bool) -> None:
    """Check a URL without a request. Raises SendFailed and ForbiddenAddress."""
    service = _service(url)
    if getattr(service, "host", None):
        addresses.check_url(f"any://{service.host}", allow_local=allow_local)


def mask(url: str) -> str:
    """Return the name of the service and the URL's scheme: almost everything else in such a URL is a secret."""
    name = getattr(_service(url), "service_name", "")
    return f"{name or 'Apprise'} ({_scheme(url)}://••••)"


def _scheme(url: str) -> str:
    return url.partition("://")[0].lower()


def _asset() -> Any:
    import apprise

    # One thread, in which the guard holds; nothing on the disk; nothing secret in the log.
    return apprise.AppriseAsset(
        app_id="Sync monitor",
        app_desc="Sync monitor",
        app_url="",
        async_mode=False,
        secure_logging=True,
        storage_mode=apprise.PersistentStoreMode.MEMORY,
        plugin_paths=[],
    )


def _service(url: str) -> Any:
    """Return Apprise's object for the URL. Raises SendFailed."""
    try:
        import apprise
    except ImportError:
        raise SendFailed(_("Apprise is not installed on the server."), is_final=True) from None
    _keep_out_of_the_log()
    if len(url) > MAX_URL or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://\S+", url):
        raise SendFailed(_("Must be a URL of Apprise, such as slack://…, tgram://… or ntfy://…."), is_final=True)
    if _scheme(url) in _LOCAL:
        raise SendFailed(_("This service would show the message on the server itself."), is_final=True)
    for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True):
        if name.lower().lstrip("+-:") in _FILES or value.lower().startswith("file:"):
            raise SendFailed(
                _("The parameter “%(name)s” would read a file of the server.") % {"name": name[:40]}, is_final=True
            )
    try:
        service = apprise.Apprise.instantiate(url, asset=_asset(), suppress_exceptions=True)
    except Exception:  # noqa: BLE001 - a service of Apprise may raise anything
        service = None
    if service is None:
        raise SendFailed(_("Apprise doesn't know this kind of URL, or a part of it is missing."), is_final=True)
    return service


def _keep_out_of_the_log() -> None:
    """Let nothing that Apprise logs reach the site's log: the delivery has it, without secrets."""
    logger = logging.getLogger("apprise")
    if logger.propagate:
        logger.propagate = False
        logger.addHandler(logging.NullHandler())


def _reason(result: Any, url: str) -> str:
    """Return the last thing that Apprise logged, without any part of the URL that may be a secret."""
    entries = [str(entry.message) for entry in result.logs()]
    text = " ".join(entries[-1].split())[:300] if entries else ""
    for part in sorted(set(re.split(r"[/?&=:@,]+", url)), key=len, reverse=True):
        if len(part) >= 6:
            text = text.replace(part, "••••")
    return text or _("The service refused the message.")
