"""Settings of the REST API's libraries. None of them depends on the environment."""

from __future__ import annotations

import datetime as dt

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["syncjobs.api.core.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_RENDERER_CLASSES": ["syncjobs.api.core.renderers.OrjsonRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "syncjobs.api.core.negotiation.Negotiation",
    "DEFAULT_PARSER_CLASSES": ["syncjobs.api.core.parsers.Parser"],
    "DEFAULT_SCHEMA_CLASS": "syncjobs.api.core.schema.Schema",
    "NUM_PROXIES": 0,  # uvicorn sets the client's address; anybody can send X-Forwarded-For.
    "DEFAULT_THROTTLE_RATES": {"login": "120/min"},
    "URL_FORMAT_OVERRIDE": None,  # The exports have a parameter `format`.
    "EXCEPTION_HANDLER": "drf_standardized_errors.handler.exception_handler",
}
DRF_STANDARDIZED_ERRORS = {
    "EXCEPTION_HANDLER_CLASS": "syncjobs.api.core.exception_handler.Handler",
    "EXCEPTION_FORMATTER_CLASS": "syncjobs.api.core.exception_handler.Formatter",
    "ENABLE_IN_DEBUG_FOR_UNHANDLED_EXCEPTIONS": True,
}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": dt.timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": dt.timedelta(days=7),
    "LEEWAY": dt.timedelta(minutes=10),  # The clocks of two web servers may differ by so much.
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "CHECK_REVOKE_TOKEN": True,  # A new password revokes all older tokens.
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Sync monitor",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "DESCRIPTION": "Sync jobs, queues, errors and quota of the bands' YouTube channels.",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": ["syncjobs.api.core.document.complete"],
    "PARSER_WHITELIST": ["rest_framework.parsers.JSONParser", "syncjobs.api.core.parsers.Parser"],
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENABLE_DJANGO_DEPLOY_CHECK": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}
