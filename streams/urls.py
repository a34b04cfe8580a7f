"""The addresses of people's pages and of the API. Included last: a stream is `/<name>`."""

from django.urls import path, register_converter

from streams import api, views
from streams.names import PATTERN, RESERVED


class StreamName:
    """A stream's name in a path. Reserved names do not match, so they never hide a page."""

    regex = PATTERN.pattern

    def to_python(self, value: str) -> str:
        if value in RESERVED:
            raise ValueError("reserved")
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(StreamName, "stream")

app_name = "streams"
urlpatterns = [
    path("", views.home, name="home"),
    path("api/streams", api.stream_list, name="api-list"),
    path("api/streams/<str:name>", api.stream_detail, name="api-detail"),
    path("watch/<stream:name>", views.watch, name="watch-long"),
    path("<stream:name>", views.watch, name="watch"),
]
