"""E-mail, by the Django backend that the settings name."""

from __future__ import annotations

import re
import smtplib

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from .messages import Message, SendFailed

MAX_RECIPIENTS = 20


def send(recipients: str, message: Message) -> None:
    """Send the message to all recipients. Raises SendFailed.

    The Message-ID comes from the key, so mail programs that see two copies show one.
    """
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("> ") or "localhost"
    headers = {"Message-ID": f"<{message.key}@{domain}>", "X-Idempotency-Key": message.key}
    if message.severity == "CRITICAL":
        headers["X-Priority"] = "1"
    try:
        with get_connection(fail_silently=False) as connection:
            mail = EmailMessage(
                message.title, message.text, to=split(recipients), headers=headers, connection=connection
            )
            # 0: the backend dropped the message without an error.
            if not mail.send():
                raise SendFailed(_("The mail backend did not send the message."))
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()), (550, b""))
        raise SendFailed(
            _("The mail server refuses the recipient: %(text)s") % {"text": _said(text)}, status=code
        ) from None
    except smtplib.SMTPAuthenticationError as error:
        raise SendFailed(_("The mail server refuses the user name or password."), status=error.smtp_code) from None
    except smtplib.SMTPResponseException as error:
        problem = _("The mail server answered %(status)s: %(text)s")
        values = {"status": error.smtp_code, "text": _said(error.smtp_error)}
        raise SendFailed(problem % values, status=error.smtp_code) from None
    except smtplib.SMTPServerDisconnected as error:
        is_slow = "timed out" in str(error)
        raise SendFailed(
            _("The mail server did not answer in time.") if is_slow else _("The mail server closed the connection.")
        ) from None
    except TimeoutError:
        raise SendFailed(_("The mail server did not answer in time.")) from None
    except ConnectionRefusedError:
        raise SendFailed(_("The mail server refuses connections.")) from None
    except (OSError, smtplib.SMTPException) as error:
        raise SendFailed(_("The mail was not sent (%(error)s).") % {"error": type(error).__name__}) from None


def _said(text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return "".join(char for char in " ".join(words.split())[:200] if char.isprintable())


def split(recipients: str) -> list[str]:
    """Return the addresses in a text that separates them by commas, semicolons or spaces."""
    return [each for each in re.split(r"[,;\s]+", recipients) if each]


def check(recipients: str) -> None:
    """Check the addresses. Raises SendFailed."""
    addresses = split(recipients)
    if not 1 <= len(addresses) <= MAX_RECIPIENTS:
        raise SendFailed(
            _("Enter 1 to %(most)s e-mail addresses, separated by commas.") % {"most": MAX_RECIPIENTS}, is_final=True
        )
    for each in addresses:
        try:
            validate_email(each)
        except ValidationError:
            raise SendFailed(
                _("“%(address)s” is not an e-mail address.") % {"address": each[:100]}, is_final=True
            ) from None
