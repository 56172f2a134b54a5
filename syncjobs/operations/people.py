"""The groups MODERATOR ⊂ ADMIN ⊂ SUPER_ADMIN, made of Django permissions, and the people in them."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from ..audit.actors import Actor
from ..audit.record import audited
from ..choices import Role
from ..exceptions import Conflict, InvalidFields, NotFound

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


def setup_roles() -> dict[str, int]:
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


def role_of(user: User) -> Role | None:
    """The highest of the person's roles. Superusers may do all that super admins may."""
    if user.is_superuser:
        return Role.SUPER_ADMIN
    held = {group.name for group in user.groups.all()}
    return next((role for role in reversed(Role) if role in held), None)


def list_people() -> QuerySet[User]:
    """Everybody who can log in, or could once, by name, with their groups."""
    users: QuerySet[User] = get_user_model()._default_manager.prefetch_related("groups")
    return users.order_by("username")


def get_person(user_id: int) -> User:
    """Raises NotFound."""
    user = list_people().filter(pk=user_id).first()
    if user is None:
        raise NotFound(_("There is no person %(id)s.") % {"id": user_id}, field="id")
    return user


def add_person(actor: Actor, name: str, password: str, role: Role, email: str = "") -> User:
    """Let a person log in. Raises InvalidInput, and Conflict when somebody has the name."""
    with audited(actor, "add_person", "user") as span:
        user: User = get_user_model()(username=name, email=email, is_staff=True)
        span.message = name[:150]
        if list_people().filter(username=name).exists():
            raise Conflict(_("Somebody is called “%(name)s” already.") % {"name": name}, field="name")
        _give_password(user, password)
        try:
            with transaction.atomic():
                user.save()
        except IntegrityError:
            raise Conflict(_("Somebody is called “%(name)s” already.") % {"name": name}, field="name") from None
        _give_role(user, role)
        span.target_id, span.data = str(user.pk), {"role": role}
    return user


def save_user(actor: Actor, name: str, password: str, role: Role, email: str = "") -> bool:
    """Create a person, or set the role and password of one; True if created.

    Raises InvalidInput, and Conflict when nobody would be left to manage people.
    """
    users = get_user_model()
    with audited(actor, "save_user", "user", name[:120]) as span:
        _hold_super_admins()
        user = users.objects.filter(username=name).first()
        created = user is None
        user = user or users(username=name)
        if user.pk and role != Role.SUPER_ADMIN:
            _keep_one(user)
        user.email, user.is_staff, user.is_active = email or user.email, True, True
        user.is_superuser = False
        _give_password(user, password)
        user.save()
        _give_role(user, role)
        span.data = {"role": role, "created": created}
    return created


def change_role(actor: Actor, user_id: int, role: Role) -> None:
    """Raises NotFound, and Conflict for one's own role and when nobody would be left to manage people."""
    with audited(actor, "change_role", "user", user_id) as span:
        user = _held(user_id)
        if actor.user_id == user_id:
            raise Conflict(_("Your own role is for another super admin to change."), field="role")
        if role != Role.SUPER_ADMIN:
            _keep_one(user)
        before = role_of(user)
        user.is_superuser, user.is_staff = False, True
        user.save(update_fields=["is_superuser", "is_staff"])
        _give_role(user, role)
        span.message, span.data = user.get_username(), {"from": before, "to": role}


def set_active(actor: Actor, user_id: int, *, active: bool) -> None:
    """Let a person log in again, or no more: her sessions end at once.

    Raises NotFound, and Conflict for oneself and when nobody would be left to manage people.
    """
    with audited(actor, "activate_person" if active else "deactivate_person", "user", user_id) as span:
        user = _held(user_id)
        if not active:
            if actor.user_id == user_id:
                raise Conflict(_("You can't lock yourself out."))
            _keep_one(user)
        user.is_active = active
        user.save(update_fields=["is_active"])
        span.message = user.get_username()


def set_password(actor: Actor, user_id: int, password: str) -> None:
    """Give a person a password; her sessions end. Raises NotFound and InvalidInput."""
    with audited(actor, "set_password", "user", user_id) as span:
        user = _held(user_id)
        _give_password(user, password)
        user.save(update_fields=["password"])
        span.message = user.get_username()


def _held(user_id: int) -> User:
    """The person, as she is while nobody else changes who may manage people."""
    _hold_super_admins()
    return get_person(user_id)


def _hold_super_admins() -> None:
    """Until the transaction ends, nobody else becomes or stops being a super admin."""
    if not Group.objects.filter(name=Role.SUPER_ADMIN).exists():
        setup_roles()
    Group.objects.select_for_update().get(name=Role.SUPER_ADMIN)


def _keep_one(user: User) -> None:
    """Raises Conflict if the person is the last who may manage people."""
    others = list_people().filter(Q(groups__name=Role.SUPER_ADMIN) | Q(is_superuser=True), is_active=True)
    if user.is_active and role_of(user) == Role.SUPER_ADMIN and not others.exclude(pk=user.pk).exists():
        raise Conflict(
            _("%(name)s is the last active super admin. Make somebody else one first.") % {"name": user.get_username()},
            field="role",
        )


def _give_password(user: User, password: str) -> None:
    """Set, not save. Raises InvalidInput, also for what else is wrong with the person."""
    try:
        user.set_password(password)
        user.full_clean(validate_unique=False)
        validate_password(password, user)
    except ValidationError as error:
        wrong = error.message_dict if hasattr(error, "error_dict") else {"password": error.messages}
        fields = {"username": "name"}
        raise InvalidFields([(fields.get(name, name), " ".join(said)) for name, said in wrong.items()]) from None


def _give_role(user: User, role: Role) -> None:
    setup_roles()
    user.groups.set(Group.objects.filter(name=role))
