"""One HTTP request to this machine, as it is: no redirects, no decoding, no retries."""

import gzip
import http.client
import json
from typing import Any


class Answer:
    def __init__(self, status: int, headers: http.client.HTTPMessage, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self) -> str:
        packed = self.headers["Content-Encoding"] == "gzip"
        return (gzip.decompress(self.body) if packed else self.body).decode()

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def fetch(
    port: int,
    path: str,
    method: str = "GET",
    body: str | None = None,
    source: str = "127.0.0.1",
    **headers: str,
) -> Answer:
    """Header names may be written with underscores. Raises OSError when nobody listens."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", port, timeout=10, source_address=(source, 0)
    )
    try:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, headers=fields)
        response = connection.getresponse()
        return Answer(response.status, response.msg, response.read())
    finally:
        connection.close()
