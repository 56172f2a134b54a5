from django.urls import include, path, re_path
from django.views.generic import RedirectView

from syncjobs.admin.site import site
from syncjobs.api.core import exception_handler

from . import health

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", include("syncjobs.urls")),
    path("admin/", site.urls),
    path("api/", include("syncjobs.api.urls")),
    re_path(r"^api(?:/|$)", exception_handler.not_found),
    # Django's own way would not ask for our page with DEBUG. /admin is left to it: it appends the slash.
    re_path(r"^(?!admin$)", health.not_found),
]
handler400 = "syncmonitor.health.bad_request"
handler403 = "syncmonitor.health.forbidden"
handler404 = "syncmonitor.health.not_found"
handler500 = "syncmonitor.health.server_error"
