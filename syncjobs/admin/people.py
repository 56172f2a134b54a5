"""People: who may log in, and in which role."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..audit.actors import Actor
from ..choices import Role
from ..operations import people as people_operations
from .core.pages import Question, ask, is_part, page, show, style
from .core.paging import paginate

_BACK = "admin:auth_user_changelist"


def _roles() -> list[tuple[str, str]]:
    """The roles, and what each may do."""
    words = {
        Role.MODERATOR: _("looks, triggers, retries and cancels"),
        Role.ADMIN: _("also pauses queues, clears failed jobs, edits schedules and bands, and reads the audit"),
        Role.SUPER_ADMIN: _("also manages people"),
    }
    return [(role.value, f"{role.label}: {said}") for role, said in words.items()]


def _password_field() -> forms.CharField:
    return forms.CharField(
        label=gettext_lazy("Password"),
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy(
            "At least 8 characters, no common word, not numbers only. Tell it to the person safely."
        ),
    )


class RoleForm(forms.Form):
    """What a person may do."""

    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=_roles, widget=forms.RadioSelect)


class PasswordForm(forms.Form):
    """A password for somebody else."""

    password = _password_field()


class PersonForm(RoleForm):
    """A new person."""

    name = forms.CharField(
        label=gettext_lazy("Log-in name"), max_length=150, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    email = forms.EmailField(label=gettext_lazy("E-mail"), required=False)
    password = _password_field()
    field_order = ("name", "email", "password", "role")


@page("auth.view_user")
def people(request: HttpRequest) -> HttpResponse:
    """Everybody, with role and last log-in."""
    found = paginate(request, people_operations.list_people(), 50)
    rows = [{"user": user, "role": people_operations.role_of(user)} for user in found.rows]
    context = {"page": found, "rows": rows, "me": request.user.pk}
    if is_part(request):
        return render(request, "syncjobs/people/rows.html", context)
    return show(request, "syncjobs/people/list.html", context, title=_("People"))


def _question(title: str, text: str, button: str, **more: Any) -> Question:
    return Question(title=title, text=text, button=button, back=reverse(_BACK), above=_("People"), **more)


@page("auth.add_user", posts=True)
def add(request: HttpRequest) -> HttpResponse:
    """Let another person log in."""
    question = _question(
        _("Add a person"), _("She logs in with this name and password, and can change the latter."), _("Add")
    )

    def do(actor: Actor, values: dict[str, Any]) -> str:
        people_operations.add_person(actor, values["name"], values["password"], Role(values["role"]), values["email"])
        return _("%(name)s can log in.") % {"name": values["name"]}

    return ask(request, question, do, form=style(PersonForm(request.POST or None, initial={"role": Role.MODERATOR})))


@page("auth.change_user", posts=True)
def change_role(request: HttpRequest, user_id: int) -> HttpResponse:
    """Give a person another role."""
    user = people_operations.get_person(user_id)
    question = _question(_("The role of %(name)s") % {"name": user.get_username()}, "", _("Save"))

    def do(actor: Actor, values: dict[str, Any]) -> str:
        people_operations.change_role(actor, user_id, Role(values["role"]))
        return _("%(name)s is now: %(role)s.") % {"name": user.get_username(), "role": Role(values["role"]).label}

    return ask(
        request, question, do, form=RoleForm(request.POST or None, initial={"role": people_operations.role_of(user)})
    )


@page("auth.change_user", posts=True)
def set_password(request: HttpRequest, user_id: int) -> HttpResponse:
    """Give a person a new password."""
    user = people_operations.get_person(user_id)
    question = _question(
        _("A new password for %(name)s") % {"name": user.get_username()},
        _("Wherever she is logged in, she is logged out."),
        _("Set the password"),
    )

    def do(actor: Actor, values: dict[str, Any]) -> str:
        people_operations.set_password(actor, user_id, values["password"])
        return _("%(name)s has a new password.") % {"name": user.get_username()}

    return ask(request, question, do, form=style(PasswordForm(request.POST or None)))


@page("auth.change_user", posts=True)
def deactivate(request: HttpRequest, user_id: int) -> HttpResponse:
    """Lock a person out."""
    user = people_operations.get_person(user_id)
    question = _question(
        _("Lock %(name)s out?") % {"name": user.get_username()},
        _("She can't log in any more, and is logged out at once. What she did stays in the audit under her name."),
        _("Lock out"),
        icon="stop",
        is_danger=True,
    )
    return ask(request, question, _switch(user, active=False))


@page("auth.change_user", posts=True)
def activate(request: HttpRequest, user_id: int) -> HttpResponse:
    """Let a person in again."""
    user = people_operations.get_person(user_id)
    question = _question(
        _("Let %(name)s in again?") % {"name": user.get_username()},
        _("She can log in again, with the role and the password that she had."),
        _("Let in"),
        icon="check",
    )
    return ask(request, question, _switch(user, active=True))


def _switch(user: User, *, active: bool) -> Callable[[Actor, dict[str, Any]], str]:
    def do(actor: Actor, _values: dict[str, Any]) -> str:
        people_operations.set_active(actor, user.pk, active=active)
        told = _("%(name)s can log in again.") if active else _("%(name)s is locked out.")
        return told % {"name": user.get_username()}

    return do


PAGES = (
    ("people/", people, "auth_user_changelist"),
    ("people/add/", add, "auth_user_add"),
    ("people/<id:user_id>/role/", change_role, "auth_user_role"),
    ("people/<id:user_id>/password/", set_password, "auth_user_password_change"),
    ("people/<id:user_id>/deactivate/", deactivate, "auth_user_deactivate"),
    ("people/<id:user_id>/activate/", activate, "auth_user_reactivate"),
)
