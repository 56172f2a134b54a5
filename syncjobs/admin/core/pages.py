"""Showing a page or dialog, and confirming, running and reporting an action."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar, cast

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone

from bands.text import camel_case, snake_case

from ...audit.actors import Actor, for_user
from ...choices import Origin
from ...exceptions import DomainError, NotFound
from ...live import changes
from ...youtube.errors import YouTubeError
from . import health, local_time
from .fixes import Fix
from .navigation import crumbs_of, page_context

View = TypeVar("View", bound=Callable[..., HttpResponseBase])
_POSITION = "syncjobs.feed_position"
_LEVELS = {"success": messages.SUCCESS, "info": messages.INFO, "error": messages.ERROR}
_UNSTYLED_WIDGETS = ("checkbox", "checkboxselectmultiple", "radioselect")


def answering_domain_errors(view: View) -> View:
    """Wrap a view of the site: a NotFound becomes a 404, and times in forms are in the person's time zone.

    The health of the site and the position in the stream of changes are noted before the view reads anything, so the
    page misses no change.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "GET" and not request.headers.get("HX-Request"):
            if request.user.has_perm(health.PERMISSION):
                request.META[_POSITION] = health.note(request).position
            else:
                request.META[_POSITION] = changes.position()
        try:
            with timezone.override(local_time.zone_of(request)):
                return view(request, *args, **kwargs)
        except NotFound as error:
            raise Http404(error.message) from None

    return cast("View", wrapped)


def redirecting_old_names(view: View) -> View:
    """Wrap a view of the site: addresses whose parameters are in camelCase, as all once were, redirect."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        old_names = [name for name in request.GET if name == camel_case(snake_case(name)) != snake_case(name)]
        if request.method != "GET" or not old_names:
            return view(request, *args, **kwargs)
        query = request.GET.copy()
        for name in old_names:
            values, name = query.pop(name), snake_case(name)
            query.setlist(name, [snake_case(value) for value in values] if name == "sort_by" else values)
        return HttpResponseRedirect(f"{request.path}?{query.urlencode(safe=',:')}")

    return cast("View", wrapped)


def actor_of(request: HttpRequest) -> Actor:
    """Return the user behind an admin request as an actor."""
    return for_user(request.user, Origin.ADMIN, request.META.get("REMOTE_ADDR", ""))


def is_dialog(request: HttpRequest) -> bool:
    """Return whether the response goes into the page's dialog."""
    return "X-Dialog" in request.headers


def is_list(request: HttpRequest) -> bool:
    """Return whether the response takes the place of the list on the page: see list.js."""
    return "X-List" in request.headers


def is_part(request: HttpRequest) -> bool:
    """Return whether htmx requests one region of the page."""
    return bool(request.headers.get("HX-Request")) and not is_dialog(request) and not is_list(request)


def show(
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    *,
    title: str,
    crumbs: Sequence[tuple[str, str]] = (),
    is_live: bool = False,
    is_quiet: bool = False,
    status: int = 200,
) -> HttpResponse:
    """Render the template as a page, as the content of a dialog, or as the page's list alone.

    `crumbs` are (URL, label) of the parent pages; the entry of the menu need not be among them. A page that `is_quiet` itself
    shows what does not answer.
    """
    layout = "dialog" if is_dialog(request) else "list" if is_list(request) else "page"
    frame = {
        "title": title,
        "is_live": is_live,
        "feed_position": request.META.get(_POSITION, ""),
        "is_dialog": is_dialog(request),
        "layout": f"syncjobs/layouts/{layout}.html",
    }
    if is_live and (known := health.noted(request)):
        frame["health"] = health.context_of(request, known, is_quiet=is_quiet)
    common = page_context(request) if layout == "page" else {}
    if common:
        frame["crumbs"] = crumbs_of(request, common["monitor_nav"], crumbs)
    return render(request, template, {**common, **frame, **context}, status=status)


class Unchanged(str):
    """A sentence that reports an action that found nothing to do."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Question:
    """What to confirm before an action. `back` is the URL of the page behind the question.

    `parent` is the name of that page, unless it has an entry in the menu.

    Without `is_possible` there is no button, and the text says why.
    `offers` are links to what helps more than the action; the first of them takes the place of its button.
    """

    title: str
    text: str
    button: str
    back: str
    icon: str = ""
    is_danger: bool = False
    is_possible: bool = True
    details: Sequence[str] = field(default_factory=tuple)
    parent: str = ""
    warning: str = ""
    offers: Sequence[Fix] = ()


def ask(
    request: HttpRequest,
    question: Question,
    do: Callable[[Actor, dict[str, Any]], str],
    *,
    form: forms.Form | None = None,
    then: str | Callable[[], str | None] | None = None,
    template: str = "syncjobs/ask.html",
    extra: dict[str, Any] | None = None,
    offer: Callable[[DomainError], tuple[str, str] | None] = lambda _error: None,
    next_step: tuple[str, str] | None = None,
) -> HttpResponse:
    """Ask on GET, act on POST. `do` gets the form's cleaned data and returns a sentence that reports the result.

    A DomainError appears at the form fields it names, otherwise in a toast; so does a YouTubeError. `then` is the URL to
    go to after success (default: stay on the question's `back`), or a function called after `do`. `template` shows the
    question, with the context in `extra`. `offer` returns the (URL, label) that a refusal offers instead, and `next_step` is
    what follows from success.
    """

    def show_question(status: int = 200) -> HttpResponse:
        context = {"question": question, "form": form, **(extra or {})}
        crumbs = ((question.back, question.parent),)
        return show(request, template, context, title=question.title, crumbs=crumbs, status=status)

    if request.method != "POST":
        return show_question()
    if form is not None and not form.is_valid():
        return show_question(422)
    values = form.cleaned_data if form is not None else {}
    try:
        message = do(actor_of(request), values)
    except DomainError as error:
        if form is not None and _add_errors(form, error):
            return show_question(422)
        return report(request, error.message, question.back, level="error", offer=offer(error))
    except YouTubeError as error:
        return report(request, f"YouTube: {error.message}", question.back, level="error")
    after = then() if callable(then) else then
    return report(request, message, after or question.back, redirect=after is not None, offer=next_step)


def _add_errors(form: forms.Form, error: DomainError) -> bool:
    """Add the error's problems to the form; return False if it names none of the form's fields."""
    if not any(name in form.fields for name, _message in error.problems):
        return False
    for name, message in error.problems:
        form.add_error(name if name in form.fields else None, message)
    return True


def refuse(request: HttpRequest, problem: DomainError | str | None, back: str) -> HttpResponse | None:
    """Instead of asking, report why there is nothing to do, if so. A POST is left to the operation, which knows best."""
    if request.method == "POST" or not problem:
        return None
    return report(request, problem.message if isinstance(problem, DomainError) else problem, back, level="error")


def report(
    request: HttpRequest,
    message: str,
    back: str,
    *,
    level: str = "success",
    redirect: bool = False,
    offer: tuple[str, str] | None = None,
) -> HttpResponse:
    """Show the result of an action: as a toast if htmx asked, otherwise as a message on the page `back`.

    With `redirect`, htmx goes to `back` too. `offer` is the (URL, label) of a page that the toast links to; without htmx,
    that page takes the place of `back`.
    """
    if isinstance(message, Unchanged):
        level = "info"
    if request.headers.get("HX-Request") and not redirect:
        # "done" closes the dialog even after a refusal, so that the page behind it shows the current state.
        toast: dict[str, Any] = {"level": level, "text": message}
        if offer:
            toast["action"] = {"url": offer[0], "label": offer[1]}
        events = {"toast": toast, "changed": True, "done": True}
        return HttpResponse(status=204, headers={"HX-Trigger": json.dumps(events)})
    messages.add_message(request, _LEVELS[level], message)
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": back})
    return HttpResponseRedirect(offer[0] if offer else back)


def style(form: forms.Form) -> forms.Form:
    """Apply our look to the form's widgets."""
    form.label_suffix = ""
    for bound in form:
        if bound.widget_type not in _UNSTYLED_WIDGETS:
            bound.field.widget.attrs.setdefault("class", "input")
    return form
