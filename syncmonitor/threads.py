"""How requests meet threads under ASGI."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_only_middleware

GetResponse = Callable[[HttpRequest], HttpResponseBase]


@sync_only_middleware
def one_thread(get_response: GetResponse) -> GetResponse:
    """The last of the middlewares: as it is synchronous, Django runs all of them and the view in one go.

    Otherwise each of them is a hop to the request's thread and back, which together take as long as a quick view.
    """
    return get_response
