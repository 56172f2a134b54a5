"""Settings. Everything that can be configured is read from environment variables here; docs/operations.md lists them.

A process with invalid values does not start, and names all of them at once.
"""

from __future__ import annotations

import ipaddress
import re
import warnings
from pathlib import Path
from typing import cast

import django_stubs_ext
from corsheaders.defaults import default_headers
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _
from environs import Env, EnvValidationError, validate

from syncjobs.youtube.proxies import UnusableProxy, proxy_for

from . import embedded, logs, public_url, secret_key, services, telemetry, variables
from .rest import DRF_STANDARDIZED_ERRORS, REST_FRAMEWORK, SIMPLE_JWT, SPECTACULAR_SETTINGS  # noqa: F401

django_stubs_ext.monkeypatch()  # Makes ModelAdmin[Band] and the like work at run time.

BASE_DIR = Path(__file__).resolve().parent.parent
env = Env(eager=False)

RENAMED = {"SYNC_JOBS_PER_BELL": "SYNC_JOBS_PER_WAKE_UP"}
"""Environment variables by their old name, which works until the next release."""
variables.rename(RENAMED)
SECRETS = (
    *("SECRET_KEY", "SECRET_KEY_FALLBACKS", "METRICS_TOKEN", "YOUTUBE_API_KEY", "EMAIL_HOST_PASSWORD"),
    "SENTRY_DSN",
    *("DATABASE_URL", "DATABASE_PASSWORD", "REDIS_URL", "REDIS_PASSWORD"),
)
"""Variables that may be in files: SECRET_KEY_FILE names the file with SECRET_KEY, and so on."""
unread_files = variables.read_files(SECRETS)


def integer(name: str, default: int, low: int, high: int) -> int:
    """Read a whole number from low to high."""
    return env.int(name, default, validate=validate.Range(min=low, max=high)) or 0


# ---- The site
DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", "")
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", [])
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", [])
PORT = integer("PORT", 8000, 1, 65535)
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [])
CORS_ALLOWED_ORIGINS: list[str] = env.list("CORS_ALLOWED_ORIGINS", [])
SECURE_HTTPS = env.bool("SECURE_HTTPS", not DEBUG)
METRICS_TOKEN = env.str("METRICS_TOKEN", "")
METRICS_ALLOWED_ADDRESSES: list[str] = env.list("METRICS_ALLOWED_ADDRESSES", [])
ALIVE_FILE = env.str("ALIVE_FILE", "")
STATIC_FOLDER = env.str("STATIC_ROOT", "") or BASE_DIR / "staticfiles"
LOG_LEVEL = env.str("LOG_LEVEL", "INFO", validate=validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"]))
SENTRY_DSN, OTEL_EXPORTER_OTLP_ENDPOINT = env.str("SENTRY_DSN", ""), env.str("OTEL_EXPORTER_OTLP_ENDPOINT", "")
LOG_FORMAT = env.str("LOG_FORMAT", "text", validate=validate.OneOf(logs.FORMATS))
DATABASE_PASSWORD, REDIS_PASSWORD = env.str("DATABASE_PASSWORD", ""), env.str("REDIS_PASSWORD", "")
DATABASE_URL = services.with_password(env.str("DATABASE_URL", ""), DATABASE_PASSWORD) or embedded.database_url()
DATABASE_POOL_SIZE = integer("DATABASE_POOL_SIZE", 0, 0, 100)
SYNCMONITOR_INSTANCE = env.str("SYNCMONITOR_INSTANCE", "", validate=validate.Regexp(f"({embedded.INSTANCE})?$"))
REDIS_URL = services.redis_url(services.with_password(env.str("REDIS_URL", ""), REDIS_PASSWORD)) or embedded.redis_url()

# ---- Alerts
SITE_URL = env.str("SITE_URL", "").rstrip("/")
PUBLIC_URL = env.str("PUBLIC_URL", "").rstrip("/")
ALERTS_ALLOW_LOCAL_ADDRESSES = env.bool("ALERTS_ALLOW_LOCAL_ADDRESSES", False)
EMAIL_BACKEND = env.str("EMAIL_BACKEND", "django.core.mail.backends.smtp.EmailBackend")
EMAIL_HOST = env.str("EMAIL_HOST", "localhost")
EMAIL_PORT = integer("EMAIL_PORT", 25, 1, 65535)
EMAIL_HOST_USER = env.str("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env.str("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = env.bool("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = env.bool("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "sync-monitor@localhost")

# ---- YouTube
YOUTUBE_API_KEY = env.str("YOUTUBE_API_KEY", "").strip()
YOUTUBE_API_ENDPOINT = env.str(
    "YOUTUBE_API_ENDPOINT", "https://youtube.googleapis.com", validate=validate.URL(require_tld=False)
)
YOUTUBE_SIMULATED = env.bool("YOUTUBE_SIMULATED", False)
if DEBUG and not YOUTUBE_API_KEY and embedded.simulator_file().exists():
    # A command that runs beside `make run` uses the same simulated YouTube.
    YOUTUBE_API_KEY, YOUTUBE_SIMULATED = "simulated-key", True
    YOUTUBE_API_ENDPOINT = embedded.simulator_file().read_text()
_SIMULATOR = (YOUTUBE_API_ENDPOINT or "").rstrip("/")
_SIMULATOR = _SIMULATOR if _SIMULATOR.startswith("http:") else ""
"""YouTube's own API is never without TLS. What imitates it has feeds and a hub of its own, at the same address."""
_FEEDS = f"{_SIMULATOR or 'https://www.youtube.com'}/feeds/videos.xml"
_HUB = f"{_SIMULATOR}/hub" if _SIMULATOR else "https://pubsubhubbub.appspot.com/subscribe"
YOUTUBE_FEED_ENDPOINT = env.str("YOUTUBE_FEED_ENDPOINT", _FEEDS, validate=validate.URL(require_tld=False))
YOUTUBE_HUB = env.str("YOUTUBE_HUB", _HUB, validate=validate.URL(require_tld=False))
FEED_POLL_SECONDS = integer("FEED_POLL_SECONDS", 900, 60, 86_400)
YOUTUBE_TIMEOUT_SECONDS = integer("YOUTUBE_TIMEOUT_SECONDS", 10, 1, 120)
YOUTUBE_USE_BATCH_STATS = env.bool("YOUTUBE_USE_BATCH_STATS", True)
YOUTUBE_QUOTA_MAIN = integer("YOUTUBE_QUOTA_MAIN", 10_000, 0, 100_000_000)
YOUTUBE_QUOTA_SEARCH = integer("YOUTUBE_QUOTA_SEARCH", 100, 0, 100_000_000)
YOUTUBE_QUOTA_STATS = integer("YOUTUBE_QUOTA_STATS", 10_000, 0, 100_000_000)
YOUTUBE_QUOTA_RESERVED = integer("YOUTUBE_QUOTA_RESERVED", 500, 0, 100_000_000)

# ---- Sync jobs
SYNC_LEASE_SECONDS = integer("SYNC_LEASE_SECONDS", 20, 2, 30)
SYNC_MAX_ATTEMPTS = integer("SYNC_MAX_ATTEMPTS", 5, 1, 20)
SYNC_MIN_INTERVAL_SECONDS = integer("SYNC_MIN_INTERVAL_SECONDS", 900, 0, 604_800)
SYNC_CANCEL_GRACE_SECONDS = integer("SYNC_CANCEL_GRACE_SECONDS", 30, 1, 3600)
SYNC_RETRY_BASE_SECONDS = integer("SYNC_RETRY_BASE_SECONDS", 30, 1, 3600)
SYNC_RETRY_MAX_SECONDS = integer("SYNC_RETRY_MAX_SECONDS", 3600, 1, 86_400)
SYNC_ROTATION_HOURS = integer("SYNC_ROTATION_HOURS", 24, 1, 720)
SYNC_JOBS_PER_WAKE_UP = integer("SYNC_JOBS_PER_WAKE_UP", 10, 1, 1000)
SYNC_KEEP_JOBS_DAYS = integer("SYNC_KEEP_JOBS_DAYS", 90, 1, 3650)
AUDIT_KEEP_DAYS = integer("AUDIT_KEEP_DAYS", 0, 0, 36_500)


def address_problems() -> list[str]:
    """Return what is wrong with networks, origins and URLs."""
    problems: list[str] = []
    for address in METRICS_ALLOWED_ADDRESSES:
        try:
            ipaddress.ip_network(address)
        except ValueError:
            problems.append(
                f"METRICS_ALLOWED_ADDRESSES: {address} is not an address or network, such as 192.0.2.7 or 10.0.0.0/8."
            )
    for name, origins in (
        ("CSRF_TRUSTED_ORIGINS", CSRF_TRUSTED_ORIGINS),
        ("CORS_ALLOWED_ORIGINS", CORS_ALLOWED_ORIGINS),
    ):
        problems += [
            f"{name}: {origin} is not an origin, such as https://sync.example.org."
            for origin in origins
            if not re.fullmatch(r"https?://[^/?#\s]+", origin)
        ]
    if SITE_URL and not re.fullmatch(r"https?://[^/?#\s]+", SITE_URL):
        problems.append(f"SITE_URL: {SITE_URL} is not the start of a URL, such as https://sync.example.org.")
    if PUBLIC_URL and (problem := public_url.problem(PUBLIC_URL, ALLOWED_HOSTS, debug=DEBUG)):
        problems.append(f"PUBLIC_URL: {problem}")
    problems += [
        f"{name}: {problem}"
        for name, problem in (
            ("DATABASE_PASSWORD", services.password_problem("DATABASE_URL", DATABASE_PASSWORD)),
            ("DATABASE_URL", services.database_problem(DATABASE_URL)),
            ("REDIS_PASSWORD", services.password_problem("REDIS_URL", REDIS_PASSWORD)),
            ("REDIS_URL", services.redis_problem(REDIS_URL)),
        )
        if problem
    ]
    return problems


class InvalidEnvironment(ImproperlyConfigured, SystemExit):
    """Environment variables are invalid. If uncaught, it ends the process with its message alone."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("Invalid environment variables:\n  " + "\n  ".join(problems))
        self.code = str(self)


def check_values() -> None:
    """Raise InvalidEnvironment with every invalid variable and what would be right."""
    problems = list(unread_files)
    try:
        env.seal()
    except EnvValidationError as error:
        problems += [
            f"{name}: {' '.join(map(str, messages))}"
            for name, messages in sorted(cast("dict[str, list[str]]", error.error_messages).items())
        ]
    if not DEBUG and (problem := secret_key.problem(SECRET_KEY)):
        problems.append(f"SECRET_KEY: {problem}")
    if not DEBUG and not ALLOWED_HOSTS:
        problems.append("ALLOWED_HOSTS: list the site's host names, separated by commas.")
    if YOUTUBE_QUOTA_RESERVED > YOUTUBE_QUOTA_MAIN:
        problems.append(f"YOUTUBE_QUOTA_RESERVED: must be at most YOUTUBE_QUOTA_MAIN ({YOUTUBE_QUOTA_MAIN}).")
    if SYNC_RETRY_BASE_SECONDS > SYNC_RETRY_MAX_SECONDS:
        problems.append(f"SYNC_RETRY_BASE_SECONDS: must be at most SYNC_RETRY_MAX_SECONDS ({SYNC_RETRY_MAX_SECONDS}).")
    try:
        # Without a key, nothing but the simulator is called, which is never behind a proxy.
        if YOUTUBE_API_KEY:
            proxy_for(YOUTUBE_API_ENDPOINT)
    except UnusableProxy as error:
        problems.append(str(error))
    if EMAIL_USE_TLS and EMAIL_USE_SSL:
        problems.append("EMAIL_USE_TLS: unset either it (STARTTLS) or EMAIL_USE_SSL (TLS from the start).")
    if METRICS_TOKEN and len(METRICS_TOKEN) < 16:
        problems.append("METRICS_TOKEN: must be at least 16 characters.")
    problems += telemetry.problems(SENTRY_DSN, OTEL_EXPORTER_OTLP_ENDPOINT)
    problems += address_problems()
    if problems:
        raise InvalidEnvironment(problems)


check_values()
if not DEBUG and "*" in ALLOWED_HOSTS:
    warnings.warn(
        "ALLOWED_HOSTS=* accepts requests for any host name. List the site's own names.", RuntimeWarning, stacklevel=1
    )
SITE_URL = SITE_URL or (
    f"http://localhost:{PORT}"
    if DEBUG
    else next((f"https://{host}" for host in ALLOWED_HOSTS if host[:1] not in ("*", ".")), "")
)
if DEBUG:
    SECRET_KEY = SECRET_KEY or secret_key.development_key(BASE_DIR / ".local")
    ALLOWED_HOSTS = ALLOWED_HOSTS or ["localhost", "127.0.0.1", "[::1]"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_celery_results",
    "django_celery_beat",
    "rest_framework",
    "rest_framework_simplejwt",
    "rest_framework_simplejwt.token_blacklist",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "corsheaders",
    "csp",
    "bands",
    "syncjobs",
]
MIDDLEWARE = [
    "syncmonitor.access.AccessMiddleware",
    "syncmonitor.health.HealthMiddleware",
    "syncmonitor.deliveries.DeliveryMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "syncmonitor.compression.PageCompression",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "syncmonitor.bodies.BodyMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "syncmonitor.errors.ErrorMiddleware",
]
ROOT_URLCONF = "syncmonitor.urls"
ASGI_APPLICATION = "syncmonitor.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
LOGIN_URL, LOGIN_REDIRECT_URL = "admin:login", "admin:index"
AUTHENTICATION_BACKENDS = ["syncjobs.authentication.SessionBackend"]
PASSWORD_HASHERS = ["syncmonitor.passwords.Hasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASES = {"default": services.database(DATABASE_URL, DATABASE_POOL_SIZE)}
# Rate limits, previews of imports and looked-up channels work while Redis is away. Migration syncjobs.0006 creates the table.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "syncmonitor_cache",
        # More than anybody can fill with counters of wrong passwords before they expire: Django would delete others' previews.
        "OPTIONS": {"MAX_ENTRIES": 1_000_000},
    }
}

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("es", _("Spanish"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = None if DEBUG else STATIC_FOLDER
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG

# Uploads stay in memory. syncmonitor/bodies.py limits them, and the bodies of all other requests.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
FILE_UPLOAD_MAX_MEMORY_SIZE = 20_100_000

# ---- Security
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:", "https://i.ytimg.com"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_HTTPS
SECURE_SSL_REDIRECT = SECURE_HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE_HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if SECURE_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE_HTTPS

# ---- REST API
CORS_URLS_REGEX = r"^/api/"
# Headers that HTTP clients add by themselves, that conditional requests and event streams need, and that trace requests.
CORS_ALLOW_HEADERS = [
    *default_headers,
    *("cache-control", "expires", "pragma", "if-match", "if-modified-since", "if-none-match", "if-unmodified-since"),
    *("idempotency-key", "last-event-id", "prefer", "range", "x-xsrf-token"),
    *("baggage", "sentry-trace", "traceparent", "tracestate", "x-correlation-id", "x-request-id"),
]
CORS_EXPOSE_HEADERS = [
    *("Allow", "Content-Disposition", "Content-Length", "Date", "ETag", "Idempotency-Replayed", "Location"),
    *("Retry-After", "WWW-Authenticate", "X-Request-ID"),
]
TRIGGERS_PER_MINUTE = 60  # By one person, in the API and the admin: see syncjobs/operations/rates.py.

# ---- Celery: carries wake-ups, never jobs (see syncjobs/engine/broker.py)
CELERY_BROKER_URL = services.broker_url(REDIS_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # Redis may be away for hours.
CELERY_BROKER_TRANSPORT_OPTIONS = services.broker_options()
CELERY_RESULT_BACKEND = "syncjobs.engine.results:ResultBackend"
CELERY_RESULT_EXTENDED = True
CELERY_RESULT_EXPIRES = 7 * 24 * 3600
CELERY_TASK_PUBLISH_RETRY = False  # The reconciler and the scheduler send again what Redis did not accept.
CELERY_TASK_DEFAULT_QUEUE = "maintenance"
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_CONSUMER = "syncmonitor.amqp:Consumer"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10.0
CELERY_WORKER_ENABLE_SOFT_SHUTDOWN_ON_IDLE = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_REDIRECT_STDOUTS = False  # It makes a log entry of each line of a traceback.
CELERY_DB_REUSE_MAX = 100  # Tasks check the connection before they use it: see syncjobs/engine/database.py.
CELERY_BEAT_SCHEDULER = "syncjobs.engine.scheduler:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
CELERY_TIMEZONE = "UTC"

LOGGING = logs.configuration(LOG_LEVEL, LOG_FORMAT)
if SENTRY_DSN:
    telemetry.start_sentry(SENTRY_DSN)
