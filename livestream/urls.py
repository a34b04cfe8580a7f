"""Which URL belongs to whom."""

from django.contrib import admin
from django.urls import include, path

from livestream.health import health
from streams import webhooks

urlpatterns = [
    path("admin/", admin.site.urls),
    path("health", health),
    path("rtmp/publish", webhooks.publish),
    path("rtmp/publish_done", webhooks.publish_done),
    path("rtmp/play", webhooks.play),
    # Last: a stream's page is its name.
    path("", include("streams.urls")),
]
