"""People: who may log in, and with which role."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..audit.actors import Actor
from ..choices import Role
from ..operations import people as operations
from .core.edits import EditForm
from .core.model_admin import PageAdmin, requires
from .core.pages import Question, ask, is_part, refuse, show, style
from .core.paging import paginate
from .site import site


def _roles() -> list[tuple[str, str]]:
    """Return the roles with what each may do."""
    words = {
        Role.MODERATOR: _("views, triggers, retries and cancels"),
        Role.ADMIN: _(
            "also pauses queues, clears failed jobs, edits schedules and bands, shares filters, and reads the audit log"
        ),
        Role.SUPER_ADMIN: _("also manages people and sees the raw data"),
    }
    return [(role.value, f"{role.label}: {rights}") for role, rights in words.items()]


class RoleForm(EditForm):
    """A person's role."""

    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=_roles, widget=forms.RadioSelect)


class PasswordForm(forms.Form):
    """A new password for someone else."""

    password = forms.CharField(
        label=gettext_lazy("Password"),
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy(
            "At least 8 characters, not a common password, not only digits. Pass it on over a secure channel."
        ),
    )


class PersonForm(RoleForm, PasswordForm):
    """A new person."""

    name = forms.CharField(
        label=gettext_lazy("Username"), max_length=150, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    email = forms.EmailField(label=gettext_lazy("Email"), required=False)
    field_order = ("name", "email", "password", "role")


@admin.register(User, site=site)
class PersonAdmin(PageAdmin):
    """Users, whose role is a group. Our list rather than the stock one: its actions open as dialogs and it fits a phone."""

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("<id:user_id>/role/", self.role_view, "role"),
            self.page("<id:user_id>/password/", self.password_view, "password_change"),
            self.page("<id:user_id>/deactivate/", self.deactivate_view, "deactivate"),
            self.page("<id:user_id>/reactivate/", self.reactivate_view, "reactivate"),
            *super().get_urls(),
        ]

    @requires("view")
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """List everyone with their role and last login."""
        page = paginate(request, operations.list_people(), 50)
        rows = [{"user": user, "role": operations.role_of(user)} for user in page.object_list]
        context = {"page": page, "rows": rows, "me": request.user.pk}
        if is_part(request):
            return render(request, "syncjobs/people/rows.html", context)
        return show(request, "syncjobs/people/list.html", context, title=_("People"))

    @requires("add", post=True)
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        question = _question(_("Add user"), _("They log in with this username, and can change the password."), _("Add"))

        def do(actor: Actor, values: dict[str, Any]) -> str:
            operations.add_person(actor, values["name"], values["password"], Role(values["role"]), values["email"])
            return _("%(name)s can log in.") % {"name": values["name"]}

        form = PersonForm(request.POST or None, initial={"role": Role.MODERATOR})
        return ask(request, question, do, form=style(form))

    @requires("change", post=True)
    def role_view(self, request: HttpRequest, user_id: int) -> HttpResponse:
        """Change a person's role."""
        user = operations.get_person(user_id)
        question = _question(_("Role of %(name)s") % {"name": user.get_username()}, "", _("Save"))

        def do(actor: Actor, values: dict[str, Any]) -> str:
            def check(row: User) -> None:
                form.check({"role": operations.role_of(row)})

            if "role" in form.changed():
                operations.change_role(actor, user_id, Role(values["role"]), check=check)
            role = getattr(operations.role_of(operations.get_person(user_id)), "label", "")
            return _("%(name)s now has the role %(role)s.") % {"name": user.get_username(), "role": role}

        form = RoleForm(request.POST or None, initial={"role": operations.role_of(user)})
        return ask(request, question, do, form=form)

    @requires("change", post=True)
    def password_view(self, request: HttpRequest, user_id: int) -> HttpResponse:
        """Set a person's password."""
        user = operations.get_person(user_id)
        question = _question(
            _("New password for %(name)s") % {"name": user.get_username()},
            _("They are logged out everywhere."),
            _("Set password"),
        )

        def do(actor: Actor, values: dict[str, Any]) -> str:
            operations.set_password(actor, user_id, values["password"])
            return _("%(name)s has a new password.") % {"name": user.get_username()}

        return ask(request, question, do, form=style(PasswordForm(request.POST or None)))

    @requires("change", post=True)
    def deactivate_view(self, request: HttpRequest, user_id: int) -> HttpResponse:
        title, message = _("Deactivate %(name)s?"), _("%(name)s is deactivated.")
        text = _("They are logged out at once and can't log in again. Their actions stay in the audit log.")
        question = _question(title, text, _("Deactivate"), icon="power", is_danger=True)
        return _set_active(request, user_id, question, message, active=False)

    @requires("change", post=True)
    def reactivate_view(self, request: HttpRequest, user_id: int) -> HttpResponse:
        title, message = _("Reactivate %(name)s?"), _("%(name)s can log in again.")
        text = _("They can log in again, with the same role and password as before.")
        question = _question(title, text, _("Reactivate"), icon="power")
        return _set_active(request, user_id, question, message, active=True)


def _set_active(request: HttpRequest, user_id: int, question: Question, message: str, *, active: bool) -> HttpResponse:
    """Confirm, then reactivate or deactivate the person, whose name completes the title and the message."""
    person = operations.get_person(user_id)
    name = {"name": person.get_username()}
    problem = _("%(name)s is active already.") if active else _("%(name)s is deactivated already.")
    if person.is_active == active and (refusal := refuse(request, problem % name, question.back)):
        return refusal

    def do(actor: Actor, _values: dict[str, Any]) -> str:
        operations.set_active(actor, user_id, active=active)
        return message % name

    return ask(request, replace(question, title=question.title % name), do)


def _question(title: str, text: str, button: str, **fields: Any) -> Question:
    back = reverse("admin:auth_user_changelist")
    return Question(title=title, text=text, button=button, back=back, **fields)
