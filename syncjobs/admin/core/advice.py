"""Advice that the person who reads it can follow; for the rest, it names the people who can."""

from __future__ import annotations

from collections.abc import Collection

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ...engine import error_reasons
from ...stats import errors

_NAMED = 3


def for_user(user: AbstractBaseUser | AnonymousUser, advice: str, permission: str) -> str:
    """Return the advice, or whom to ask for it if the user lacks the permission that it needs ("" for none)."""
    if not permission or user.has_perm(permission):  # type: ignore[union-attr]
        return advice
    names = people_with(permission)
    if not names:
        return _("Ask an admin to do this: %(advice)s") % {"advice": advice}
    return _("Ask an admin (%(names)s) to do this: %(advice)s") % {"names": ", ".join(names), "advice": advice}


def people_with(permission: str) -> list[str]:
    """Return the names of some people who may log in and have the permission, those who logged in last first."""
    people = get_user_model()._default_manager.with_perm(permission).filter(is_active=True, is_staff=True)
    return list(people.order_by("-last_login", "username").values_list("username", flat=True)[:_NAMED])


def permanent_warning(request: HttpRequest, job_ids: Collection[int]) -> str:
    """Return a warning if some of the jobs to be retried failed with a permanent error; of a single job, with advice."""
    permanent = errors.with_permanent_error(job_ids)
    if not permanent:
        return ""
    if len(job_ids) == 1:
        return group_warning(request, errors.last_reason(*permanent))
    pattern = ngettext(
        "%(n)s of them failed with a permanent error and will probably fail again.",
        "%(n)s of them failed with permanent errors and will probably fail again.",
        len(permanent),
    )
    return pattern % {"n": len(permanent)}


def group_warning(request: HttpRequest, reason: str) -> str:
    """Return a warning that a retry alone doesn't solve an error with this reason, and what does."""
    meaning = error_reasons.explain(reason)
    advice = for_user(request.user, str(meaning.advice), meaning.needs)
    return _("This error is permanent, so a retry will probably fail again. What to do: %(advice)s") % {
        "advice": advice
    }
