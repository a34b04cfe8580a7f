"""Where the chat socket is, and what it goes through before."""

from channels.routing import URLRouter
from channels.sessions import CookieMiddleware, SessionMiddleware
from django.urls import path

from chat.consumers import ChatConsumer
from chat.recognition import Recognition

# Any name: one that no stream can have is answered with 4404, like an unknown one.
sockets = URLRouter([path("ws/chat/<str:name>/", ChatConsumer.as_asgi())])
application = CookieMiddleware(SessionMiddleware(Recognition(sockets)))
