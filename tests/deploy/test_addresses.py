"""Where the parts listen."""

import pytest

from deploy.addresses import Addresses


@pytest.mark.parametrize(
    ("bind", "rtmp_bind", "web", "rtmp"),
    [
        ("127.0.0.1", "", ["127.0.0.1:3000"], ["127.0.0.1:1935"]),
        ("localhost", "", ["127.0.0.1:3000"], ["127.0.0.1:1935"]),
        ("0.0.0.0", "", ["0.0.0.0:3000"], ["0.0.0.0:1935"]),
        ("127.0.0.1", "0.0.0.0", ["127.0.0.1:3000"], ["0.0.0.0:1935"]),
        ("10.0.0.5", "", ["10.0.0.5:3000"], ["10.0.0.5:1935", "127.0.0.1:1935"]),
        ("::", "", ["[::]:3000"], ["[::]:1935", "127.0.0.1:1935"]),
    ],
)
def test_rtmp_may_listen_elsewhere_and_always_on_loopback(
    monkeypatch: pytest.MonkeyPatch, bind: str, rtmp_bind: str, web: list[str], rtmp: list[str]
) -> None:
    monkeypatch.setenv("LIVESTREAM_RTMP_BIND", rtmp_bind)
    addresses = Addresses.read(bind)
    # Whoever came to the backend would come past the edge's limits.
    assert addresses.listens("backend") == ["127.0.0.1:9000"]
    assert (addresses.listens("web"), addresses.listens("rtmp")) == (web, rtmp)
