"""Where the chat socket is."""

from django.urls import path

from chat.consumers import ChatConsumer

# Any name: one that no stream can have is answered with 4404, like an unknown one.
websocket_urlpatterns = [path("ws/chat/<str:name>/", ChatConsumer.as_asgi())]
