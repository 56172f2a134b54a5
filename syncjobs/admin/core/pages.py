"""What the pages share: who may, how a page or a dialog is shown, how an action is asked for, done and told of."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from ...audit.actors import Actor, for_user
from ...choices import Origin
from ...exceptions import Busy, DomainError, NotFound
from ...live import changes
from ...youtube.errors import YouTubeError
from ..site import site

logger = logging.getLogger(__name__)
_POSITION = "syncjobs.feed_position"
P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def page(permission: str, *, posts: bool = False) -> Callable[[View[P]], View[P]]:
    """A view for those who hold the permission; what a domain error says is missing is a 404, and too much at once a 503."""

    def decorate(view: View[P]) -> View[P]:
        @require_http_methods(["GET", "HEAD", "POST"] if posts else ["GET", "HEAD"])
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.has_perm(permission):
                raise PermissionDenied
            note_position(request)
            try:
                return view(request, *args, **kwargs)
            except NotFound as error:
                raise Http404(error.message) from None
            except Busy as error:
                answer = render(request, "503.html", {"said": error.message}, status=503)
                answer["Retry-After"] = str(error.retry_after)
                return answer

        return guarded

    return decorate


def actor_of(request: HttpRequest) -> Actor:
    """The person behind a request to the admin."""
    return for_user(request.user, Origin.ADMIN, request.META.get("REMOTE_ADDR", ""))


def is_dialog(request: HttpRequest) -> bool:
    """Whether the answer goes into the page's dialog."""
    return "X-Dialog" in request.headers


def note_position(request: HttpRequest) -> None:
    """Before anything is read for a page: from here on, the stream of changes tells of what the page doesn't show."""
    if request.method == "GET" and not request.headers.get("HX-Request"):
        request.META[_POSITION] = changes.position()


def is_part(request: HttpRequest) -> bool:
    """Whether only a region of the page is asked for anew."""
    return bool(request.headers.get("HX-Request")) and not is_dialog(request)


def show(
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    *,
    title: str,
    crumbs: Sequence[tuple[str, str]] = (),
    is_live: bool = False,
    status: int = 200,
) -> HttpResponse:
    """The template as a page, or as the content of a dialog. `crumbs` are (URL, label) of the pages above it."""
    frame = {
        "title": title,
        "crumbs": crumbs,
        "is_live": is_live,
        "feed_position": request.META.get(_POSITION, ""),
        "is_dialog": is_dialog(request),
        "layout": f"syncjobs/layouts/{'dialog' if is_dialog(request) else 'page'}.html",
    }
    common = {} if is_dialog(request) else site.each_context(request)
    return render(request, template, {**common, **frame, **context}, status=status)


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked before something is done. `back` is where she stays if she doesn't, `above` its name."""

    title: str
    text: str
    button: str
    back: str
    icon: str = ""
    is_danger: bool = False
    details: Sequence[str] = field(default_factory=tuple)
    above: str = ""

    @property
    def keep(self) -> str:
        """The way out."""
        return _("Leave it as it is") if self.is_danger else _("Back")


def ask(
    request: HttpRequest,
    question: Question,
    do: Callable[[Actor, dict[str, Any]], str],
    *,
    form: forms.Form | None = None,
    then: str | Callable[[], str | None] | None = None,
    template: str = "syncjobs/ask.html",
    extra: dict[str, Any] | None = None,
) -> HttpResponse:
    """GET asks, POST does it. `do` gets the form's values and returns the sentence that tells of it.

    What it refuses by a DomainError, or YouTube does, becomes a sentence too: on the form's field when it names one of
    them, else in a toast. `then` is where a person goes after it (default: the question's `back`); it may wait till it is done. `template` shows the
    question, with what `extra` has for it.
    """

    def put(status: int = 200) -> HttpResponse:
        context = {"question": question, "form": form, **(extra or {})}
        crumbs = ((question.back, question.above or _("Back")),)
        return show(request, template, context, title=question.title, crumbs=crumbs, status=status)

    if request.method != "POST":
        return put()
    if form is not None and not form.is_valid():
        return put(422)
    values = form.cleaned_data if form is not None else {}
    try:
        message = do(actor_of(request), values)
    except DomainError as error:
        if form is not None and _blame(form, error):
            return put(422)
        return told(request, error.message, question.back, level="error")
    except YouTubeError as error:
        return told(request, f"YouTube: {error.message}", question.back, level="error")
    after = then() if callable(then) else then
    return told(request, message, after or question.back, goes=after is not None)


def _blame(form: forms.Form, error: DomainError) -> bool:
    """Say at each of the form's fields what is wrong with it; False if the error names none of them."""
    if not any(name in form.fields for name, _said in error.problems):
        return False
    for name, said in error.problems:
        form.add_error(name if name in form.fields else None, said)
    return True


def told(request: HttpRequest, message: str, back: str, *, level: str = "success", goes: bool = False) -> HttpResponse:
    """Say how an action went: as a toast where the script asked, else on the page that comes after it.

    With `goes` the person is taken to `back` in either case.
    """
    if request.headers.get("HX-Request") and not goes:
        events: dict[str, Any] = {"toast": {"level": level, "text": message}, "changed": True}
        # What was refused because things have moved on is over too: the page behind shows how they stand.
        events["done"] = True
        return HttpResponse(status=204, headers={"HX-Trigger": json.dumps(events)})
    messages.add_message(request, messages.SUCCESS if level == "success" else messages.ERROR, message)
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": back})
    return HttpResponseRedirect(back)


def style(form: forms.Form) -> forms.Form:
    """Our look for Django's widgets."""
    form.label_suffix = ""
    for bound in form:
        if bound.widget_type not in ("checkbox", "checkboxselectmultiple", "radioselect"):
            bound.field.widget.attrs.setdefault("class", "input")
    return form
