"""Manage people and their roles: the groups MODERATOR ⊂ ADMIN ⊂ SUPER_ADMIN of Django permissions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from bands.text import is_storable

from ..audit.actors import Actor
from ..audit.record import audited, record
from ..choices import Origin, Role
from ..exceptions import Conflict, InvalidFields, NotFound

_VIEWED_APPS = ("bands", "syncjobs")
_MODERATOR = {"trigger_sync", "retry_job", "cancel_job", "acknowledge_errors", "acknowledge_alert"}
_ADMIN = {
    "pause_queue",
    "clear_failed",
    "delete_worker",
    "share_filterpreset",
    "change_alertrule",
    "add_alertchannel",
    "change_alertchannel",
    "delete_alertchannel",
    "add_band",
    "change_band",
    "delete_band",
    "change_video",
}
_SCHEDULES = ("periodictask", "crontabschedule", "intervalschedule")


def setup_roles() -> dict[str, int]:
    """Create the groups, and give each exactly its role's permissions; return the number of permissions by role."""
    sizes = {}
    for role in Role:
        group, _ = Group.objects.get_or_create(name=role)
        permissions = _permissions_of(role)
        group.permissions.set(permissions)
        sizes[str(role)] = permissions.count()
    return sizes


def missing_permissions() -> dict[str, int]:
    """Return how many permissions of its role a group lacks, for those that lack any."""
    missing = {str(role): _permissions_of(role).exclude(group__name=role).count() for role in Role}
    return {role: number for role, number in missing.items() if number}


def _permissions_of(role: Role) -> QuerySet[Permission]:
    view = Q(content_type__app_label__in=_VIEWED_APPS, codename__startswith="view_")
    granted = view | Q(codename__in=_MODERATOR) | Q(content_type__model__in=_SCHEDULES, codename__startswith="view_")
    if role != Role.MODERATOR:
        granted |= Q(codename__in=_ADMIN) | Q(content_type__model__in=_SCHEDULES)
    if role == Role.SUPER_ADMIN:
        granted |= Q(content_type__app_label="auth", content_type__model__in=("user", "group"))
    permissions = Permission.objects.filter(granted)
    # Only admins may read the audit log.
    return permissions.exclude(codename="view_auditentry") if role == Role.MODERATOR else permissions


def role_of(user: User) -> Role | None:
    """Return the highest role of a person, or None. Superusers count as super admins."""
    if user.is_superuser:
        return Role.SUPER_ADMIN
    groups = {group.name for group in user.groups.all()}
    return next((role for role in reversed(Role) if role in groups), None)


def list_people() -> QuerySet[User]:
    """Return all people, active or not, by name and with their groups."""
    users: QuerySet[User] = get_user_model()._default_manager.prefetch_related("groups")
    return users.order_by("username")


def get_person(user_id: int) -> User:
    """Return the person with this id. Raises NotFound."""
    user = list_people().filter(pk=user_id).first()
    if user is None:
        raise NotFound(_("There is no user %(id)s.") % {"id": user_id}, field="id")
    return user


def add_person(actor: Actor, name: str, password: str, role: Role, email: str = "") -> User:
    """Create a person. Raises InvalidFields, and Conflict if the name is taken."""
    hashed = make_password(password)  # It takes long, so it must not happen within the transaction.
    with audited(actor, "add_person", "user") as span:
        user: User = get_user_model()(username=name, email=email, is_staff=True)
        span.message = name[:150]
        taken = Conflict(_("The username “%(name)s” is already taken.") % {"name": name}, field="name")
        if list_people().filter(username=name).exists():
            raise taken
        _set_password(user, password, hashed)
        try:
            with transaction.atomic():
                user.save()
        except IntegrityError:
            raise taken from None
        _set_role(user, role)
        span.target_id, span.data = str(user.pk), {"role": role}
    return user


def save_user(actor: Actor, name: str, password: str, role: Role, email: str = "") -> bool:
    """Create a person, or activate an existing one and set their role and password; return True if created.

    Raises InvalidFields, and Conflict for the last active super admin's role.
    """
    users, hashed = get_user_model(), make_password(password)
    with audited(actor, "save_user", "user", name[:120]) as span:
        _lock_super_admins()
        user = users.objects.filter(username=name).first()
        created = user is None
        if created:
            span.action = "add_person"
        user = user or users(username=name)
        if user.pk and role != Role.SUPER_ADMIN:
            _check_not_last(user)
        user.email, user.is_staff, user.is_active = email or user.email, True, True
        user.is_superuser = False
        _set_password(user, password, hashed)
        user.save()
        _set_role(user, role)
        span.data = {"role": role, "created": created}
    return created


def change_role(actor: Actor, user_id: int, role: Role, *, check: Callable[[User], None] = lambda user: None) -> None:
    """Change a person's role if they pass `check`.

    Raises NotFound, and Conflict for the actor's own role or the last active super admin.
    """
    with audited(actor, "change_role", "user", user_id) as span:
        user = _lock_person(user_id)
        check(user)
        if actor.user_id == user_id:
            raise Conflict(_("You can't change your own role. Ask another super admin."), field="role")
        if role != Role.SUPER_ADMIN:
            _check_not_last(user)
        before = role_of(user)
        user.is_superuser, user.is_staff = False, True
        user.save(update_fields=["is_superuser", "is_staff"])
        _set_role(user, role)
        span.message, span.data = user.get_username(), {"from": before, "to": role}


def set_active(actor: Actor, user_id: int, *, active: bool) -> None:
    """Reactivate a person, or deactivate them, which ends their sessions.

    Raises NotFound, and Conflict for deactivating oneself or the last active super admin.
    """
    with audited(actor, "activate_person" if active else "deactivate_person", "user", user_id) as span:
        user = _lock_person(user_id)
        if not active:
            if actor.user_id == user_id:
                raise Conflict(_("You can't deactivate yourself."))
            _check_not_last(user)
        user.is_active = active
        user.save(update_fields=["is_active"])
        span.message = user.get_username()


def set_password(actor: Actor, user_id: int, password: str) -> None:
    """Set a person's password, which ends their sessions. Raises NotFound, InvalidFields."""
    hashed = make_password(password)
    with audited(actor, "set_password", "user", user_id) as span:
        user = _lock_person(user_id)
        _set_password(user, password, hashed)
        user.save(update_fields=["password"])
        span.message = user.get_username()


def log_in(actor: Actor) -> AbstractContextManager[object]:
    """Record the log-in that happens in the context."""
    return audited(actor, "log_in", "user", actor.user_id)


def record_failed_log_in(name: str, origin: Origin, address: str) -> None:
    """Record a wrong name or password. A name that nobody has is left out: people type passwords into the wrong field."""
    user = list_people().filter(username=name).first() if is_storable(name) else None
    message = user.get_username() if user else _("No user has this name.")
    record(
        Actor("anonymous", origin, address=address),
        "log_in",
        "user",
        user.pk if user else None,
        result="wrong_credentials",
        message=message,
    )


def record_log_out(actor: Actor) -> None:
    """Record that a person has ended their session."""
    record(actor, "log_out", "user", actor.user_id)


def record_password_change(actor: Actor, *, was_refused: bool) -> None:
    """Record that a person has changed their own password, or entered a wrong one where the old one is asked for."""
    result = "wrong_credentials" if was_refused else "ok"
    record(actor, "change_password", "user", actor.user_id, result=result)


def _lock_person(user_id: int) -> User:
    """Return the person; until the transaction ends, nobody else changes super admins. Raises NotFound."""
    _lock_super_admins()
    return get_person(user_id)


def _lock_super_admins() -> None:
    """Keep others from changing super admins until the transaction ends."""
    _ensure_roles()
    Group.objects.select_for_update().get(name=Role.SUPER_ADMIN)


def _check_not_last(user: User) -> None:
    """Raise Conflict if the person is the last active super admin."""
    others = list_people().filter(Q(groups__name=Role.SUPER_ADMIN) | Q(is_superuser=True), is_active=True)
    if user.is_active and role_of(user) == Role.SUPER_ADMIN and not others.exclude(pk=user.pk).exists():
        message = _("%(name)s is the last active super admin. Make another user a super admin first.")
        raise Conflict(message % {"name": user.get_username()}, field="role")


def _set_password(user: User, password: str, hashed: str) -> None:
    """Set the password without saving. Raises InvalidFields if any of the person's fields is invalid."""
    try:
        user.password = hashed
        user.full_clean(validate_unique=False)
        validate_password(password, user)
    except ValidationError as error:
        problems = error.message_dict if hasattr(error, "error_dict") else {"password": error.messages}
        fields = {"username": "name"}
        raise InvalidFields([(fields.get(name, name), " ".join(texts)) for name, texts in problems.items()]) from None


def _ensure_roles() -> None:
    """Create the groups if one is missing; existing groups keep their permissions."""
    if Group.objects.filter(name__in=Role.values).count() < len(Role):
        setup_roles()


def _set_role(user: User, role: Role) -> None:
    _ensure_roles()
    user.groups.set(Group.objects.filter(name=role))
