from django.urls import include, path, re_path
from django.views.generic import RedirectView

from syncjobs.admin.site import site
from syncjobs.api.core import exception_handler
from syncjobs.freshness.callback import callback

from . import errors

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", include("syncjobs.urls")),
    path("admin/", site.urls),
    path("api/", include("syncjobs.api.urls")),
    path("websub/<str:token>", callback, name="websub"),
    re_path(r"^api(?:/|$)", exception_handler.not_found),
    # With DEBUG, Django would not use our 404 page. It appends the missing slash to /admin.
    re_path(r"^(?!admin$)", errors.not_found),
]
handler400 = "syncmonitor.errors.bad_request"
handler403 = "syncmonitor.errors.forbidden"
handler404 = "syncmonitor.errors.not_found"
handler500 = "syncmonitor.errors.server_error"
