"""The Celery application: queues, beat schedule, worker habits (in settings, `CELERY_*`)."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "livestream.settings")

app = Celery("livestream")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
