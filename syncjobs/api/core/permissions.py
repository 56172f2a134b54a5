"""Who may do what: Django's permissions, looked up with each request."""

from __future__ import annotations

from rest_framework.permissions import BasePermission, DjangoModelPermissions
from rest_framework.request import Request
from rest_framework.views import APIView


def requires(permission: str) -> type[BasePermission]:
    """Return a permission class that admits people who hold the permission, such as "syncjobs.retry_job"."""

    class HasPermission(BasePermission):
        def has_permission(self, request: Request, view: APIView) -> bool:
            user = request.user
            return bool(user and user.is_authenticated and user.has_perm(permission))

    return HasPermission


class ModelPermissions(DjangoModelPermissions):
    """Require the model's view, add, change and delete permissions, to read as well."""

    perms_map = DjangoModelPermissions.perms_map | {
        method: ["%(app_label)s.view_%(model_name)s"] for method in ("GET", "HEAD")
    }
