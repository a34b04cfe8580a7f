"""Django's settings: one file, everything that differs between machines comes from env.py."""

import sys

from livestream import database, redis_settings
from livestream import env as environment
from streams.supervisor.isolation import Limits

ENV = environment.read()

SECRET_KEY = environment.need_secret_key(ENV)
DEBUG = ENV.debug
# The health check and the ingest's hook come by loopback, whatever the public name is.
ALLOWED_HOSTS = [*ENV.allowed_hosts, "localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = ENV.csrf_trusted_origins

INSTALLED_APPS = [
    # It gives `runserver` its ASGI; elsewhere its Twisted would only cost memory.
    *(["daphne"] if "runserver" in sys.argv else []),
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "streams",
    "chat",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "streams.csp.content_security_policy",
    "streams.known_browser.known_browser",
]
ROOT_URLCONF = "livestream.urls"
ASGI_APPLICATION = "livestream.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [environment.ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

AUTH_USER_MODEL = "streams.User"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    # Of before; a login writes the password anew with the first.
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
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
if ENV.mongodb_uri:
    # MongoDB counts no numbers up: tables without a key of ours have its kind of key, and those of
    # Django's applications have migrations of their own. Each of them is made from its models by
    # `makemigrations` when Django changes one.
    DEFAULT_AUTO_FIELD = "django_mongodb_backend.fields.ObjectIdAutoField"
    MIGRATION_MODULES = {
        app: f"livestream.mongo.migrations.{app}" for app in ("admin", "auth", "contenttypes")
    }
    ON_MONGODB = {
        "django.contrib.admin": "livestream.mongo.apps.Admin",
        "django.contrib.auth": "livestream.mongo.apps.Auth",
        "django.contrib.contenttypes": "livestream.mongo.apps.ContentTypes",
    }
    INSTALLED_APPS = [ON_MONGODB.get(app, app) for app in INSTALLED_APPS]
    INSTALLED_APPS += ["django_mongodb_backend"]
DATABASES = {
    "default": database.mongodb(ENV.mongodb_uri, ENV.mongodb_name)
    if ENV.mongodb_uri
    else database.sqlite(ENV.sqlite)
}
CACHES = {
    "default": redis_settings.cache(ENV.redis.cache, "livestream"),
    # Sessions are in the database and cached here: without Redis they are only slower.
    "sessions": redis_settings.session_cache(ENV.redis.cache, "livestream-sessions"),
    # For what has to be counted while Redis is away.
    "local": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    },
}
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
SESSION_CACHE_ALIAS = "sessions"
CHANNEL_LAYERS = {
    "default": {
        # The core layer drops silently at 100 messages a channel; this one does not.
        "BACKEND": "chat.layer.Layer",
        "CONFIG": {
            "hosts": [redis_settings.channel_host(ENV.redis.channels)],
            "prefix": "livestream",
        },
    }
}

CELERY_BROKER_URL = redis_settings.broker_url(ENV.redis.broker)
# Without this kombu would take any certificate for a rediss: URL.
CELERY_BROKER_USE_SSL = ENV.redis.broker.tls or False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# However long Redis is away, FFmpegs have to be watched.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    **redis_settings.broker_options(ENV.redis.broker),
    # The publish hook has four seconds, with or without a broker: the reconciler makes up for it.
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.2,
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "chores"
CELERY_TASK_ROUTES = {"streams.tasks.drive_broadcast": {"queue": "broadcasts"}}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = 8
CELERY_WORKER_DISABLE_PREFETCH = True
# Its schedule file, written after every task, shows that it lives.
CELERY_BEAT_SYNC_EVERY = 1
CELERY_BEAT_SCHEDULE = {
    "reconcile": {
        "task": "streams.tasks.reconcile",
        "schedule": 10.0,
        "options": {"expires": 10.0},
    },
    "collect-garbage": {
        "task": "streams.tasks.collect_garbage",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
    "clear-sessions": {"task": "streams.tasks.clear_sessions", "schedule": 86_400.0},
}

LANGUAGE_CODE = "en"
TIME_ZONE = ENV.time_zone
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = ENV.var / "static"
STATICFILES_DIRS = [ENV.var / "front"] if (ENV.var / "front").is_dir() else []
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    },
}

LOGIN_URL = "/admin/login/"
LOGIN_REDIRECT_URL = "/admin/"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SESSION_COOKIE_HTTPONLY = True
if ENV.https:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    # Machines on loopback call these over plain HTTP.
    SECURE_REDIRECT_EXEMPT = [r"^rtmp/", r"^health$", r"^api/"]
    SECURE_HSTS_SECONDS = 31_536_000
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
# Whether all subdomains speak HTTPS, and go on the browsers' preload list, is for the owner of
# the domain to decide, not for one host in it.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
if not ENV.https:
    # Each asks for HTTPS in other words; whether this place can do without, streams.W011 says.
    SILENCED_SYSTEM_CHECKS += [f"security.W{number}" for number in ("004", "008", "012", "016")]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    # A line a task would bury all others: one runs every three seconds.
    "loggers": {
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}

# What the product itself reads (streams/, chat/).
TRUSTED_EDGES = ENV.trusted_edges
HOST, HOST_ID = ENV.host, ENV.host_id
HLS_ROOT = ENV.var / "hls"
PUBLIC_API_URL = ENV.public_api_url
PUBLIC_WS_URL = ENV.public_ws_url
PUBLIC_HLS_URL = ENV.public_hls_url
RTMP_URL = ENV.rtmp_url
RTMP_PULL_URL = ENV.rtmp_pull_url
OPEN_INGEST = DEBUG or ENV.open_ingest == "loopback"
INGEST_SECRET = ENV.ingest_secret
INGEST_URL = ENV.ingest_url
INGEST_NODE = ENV.ingest_node
# Where this host runs none, those of others tell of themselves.
HAS_INGEST = "ingest" in ENV.processes or not ENV.ingest_url.startswith("unix:")
WORKERS = ENV.workers
DELIVER_TO = ENV.deliver_to
FFMPEG_LIMITS = Limits(nice=ENV.ffmpeg_nice, memory=ENV.ffmpeg_memory, cores=ENV.ffmpeg_cores)
CPU_SHARE = ENV.cpu_share
MOST_BROADCASTS = ENV.most_broadcasts
DISK_LOW = ENV.disk_low
DISK_MIN_FREE = ENV.disk_min_free
MONGODB_URI = ENV.mongodb_uri

UNFOLD = {
    "SITE_TITLE": "LiveStream",
    "SITE_HEADER": "LiveStream",
    "SITE_SYMBOL": "live_tv",
    "LOGIN": {"form": "streams.login.LoginForm"},
    "DASHBOARD_CALLBACK": "streams.admin.dashboard.add_on_air",
    "COLORS": {
        "primary": {
            "50": "oklch(98% .02 178)",
            "100": "oklch(95% .05 178)",
            "200": "oklch(91% .09 178)",
            "300": "oklch(85% .12 178)",
            "400": "oklch(76% .12 178)",
            "500": "oklch(66% .11 178)",
            "600": "oklch(55% .10 178)",
            "700": "oklch(48% .09 178)",
            "800": "oklch(41% .07 178)",
            "900": "oklch(35% .06 178)",
            "950": "oklch(26% .05 178)",
        }
    },
}
