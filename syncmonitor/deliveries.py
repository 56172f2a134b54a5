"""The hub's deliveries, which come in bursts: they need no session, language, log-in or page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import resolve
from django.utils.deprecation import MiddlewareMixin

from syncjobs.freshness.callback import callback

from . import bodies, errors


def is_delivery(method: str | None, path: str) -> bool:
    """Whether a request is a delivery of the hub, or looks like one."""
    return method == "POST" and path.startswith("/websub/")


class DeliveryMiddleware(MiddlewareMixin):
    """Answers a delivery before the middleware of pages, which would take as long as the view.

    The hub's verifications, and bodies that are refused, take the way of all other requests.
    """

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        if not is_delivery(request.method, request.path_info):
            return None
        match = resolve(request.path_info)
        if match.url_name != "websub" or bodies.find_problem(request):
            return None
        request.resolver_match = match
        try:
            return callback(request, **match.kwargs)
        except Exception as error:
            if response := errors.answer(request, error):
                return response
            raise
