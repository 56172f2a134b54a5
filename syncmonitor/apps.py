from django.contrib.admin.apps import AdminConfig


class MonitorAdminConfig(AdminConfig):
    """The stock admin, with our site as `admin.site`."""

    default_site = "syncjobs.site.MonitorSite"
