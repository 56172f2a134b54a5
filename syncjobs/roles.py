"""The groups MODERATOR ⊂ ADMIN ⊂ SUPER_ADMIN, made of Django permissions, and the people in them."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db.models import Q

from .actors import Actor
from .audit import audited
from .choices import Role
from .exceptions import InvalidInput

_WATCHED = ("bands", "syncjobs")
_MODERATOR = {"trigger_sync", "retry_job", "cancel_job", "acknowledge_errors"}
_ADMIN = {
    "pause_queue",
    "clear_failed",
    "share_filterpreset",
    "add_band",
    "change_band",
    "delete_band",
    "change_video",
}
_SCHEDULES = ("periodictask", "crontabschedule", "intervalschedule")


def setup() -> dict[str, int]:
    """Make the groups hold exactly what their roles may do; returns how many permissions each has."""
    view = Q(content_type__app_label__in=_WATCHED, codename__startswith="view_")
    moderator = view | Q(codename__in=_MODERATOR) | Q(content_type__model__in=_SCHEDULES, codename__startswith="view_")
    admin = moderator | Q(codename__in=_ADMIN) | Q(content_type__model__in=_SCHEDULES)
    super_admin = admin | Q(content_type__app_label="auth", content_type__model__in=("user", "group"))
    sizes = {}
    for role, condition in ((Role.MODERATOR, moderator), (Role.ADMIN, admin), (Role.SUPER_ADMIN, super_admin)):
        # The audit is for those who answer for others.
        hidden = Q(codename="view_auditentry") if role == Role.MODERATOR else Q(pk__in=[])
        group, _ = Group.objects.get_or_create(name=role)
        permissions = Permission.objects.filter(condition).exclude(hidden)
        group.permissions.set(permissions)
        sizes[str(role)] = permissions.count()
    return sizes


def save_user(actor: Actor, name: str, password: str, role: Role, email: str = "") -> bool:
    """Create a person, or set the role and password of one; True if created. Raises InvalidInput."""
    users = get_user_model()
    with audited(actor, "save_user", "user", name[:120]) as span:
        user = users.objects.filter(username=name).first()
        created = user is None
        user = user or users(username=name)
        user.email, user.is_staff, user.is_active = email or user.email, True, True
        user.is_superuser = False
        try:
            user.set_password(password)
            user.full_clean()
            validate_password(password, user)
        except ValidationError as error:
            said = " ".join(error.messages)
            raise InvalidInput(said, field="password" if not hasattr(error, "error_dict") else "name") from None
        user.save()
        setup()
        user.groups.set(Group.objects.filter(name=role))
        span.data = {"role": role, "created": created}
    return created
