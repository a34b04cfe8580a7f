"""The Content-Security-Policy: no inline script anywhere, and nothing from other sites."""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse

Answer = Callable[[HttpRequest], HttpResponse]


def policy(api: str, ws: str, hls: str, *, admin: bool = False) -> str:
    """The header's value, for the public base URLs; empty ones are the page's own origin."""
    media = _origins(hls)
    # The chat's address may be written with http; its socket is opened with ws all the same.
    socket = f"ws{ws[4:]}" if ws.startswith("http") else ws
    directives = {
        "default-src": ["'self'"],
        # The admin's theme (Alpine) compiles the expressions in its templates' attributes.
        "script-src": ["'self'", *(["'unsafe-eval'"] if admin else [])],
        # The player's elements carry their styles in their shadow roots, without a nonce.
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:", *media],
        "media-src": ["'self'", "blob:", *media],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'", *_origins(api, socket, hls)],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in directives.items())


def _origins(*urls: str) -> list[str]:
    parts = [urlsplit(url) for url in urls]
    return sorted({f"{part.scheme}://{part.netloc}" for part in parts if part.netloc})


def content_security_policy(get_response: Answer) -> Answer:
    """Middleware."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        # Django's own error pages for developers live on inline scripts.
        debugging = settings.DEBUG and response.status_code >= 400
        if not debugging:
            value = policy(
                settings.PUBLIC_API_URL,
                settings.PUBLIC_WS_URL,
                settings.PUBLIC_HLS_URL,
                admin=request.path.startswith("/admin/"),
            )
            response.headers.setdefault("Content-Security-Policy", value)
        return response

    return answer
