"""Which Redis this installation uses: one that already answers on REDIS_URL, or one of its own.

`python -m deploy.redis_server` prints `theirs` or `own`, or exits 1 and says why neither works.
"""

import sys
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from livestream import env as environment

LOOPBACK = ("127.0.0.1", "::1", "localhost")
PATIENCE = 2.0  # seconds


@dataclass(frozen=True)
class RedisAddress:
    """What REDIS_URL says, as far as a server of our own could serve it."""

    host: str
    port: int
    password: str
    ours_to_serve: bool

    @classmethod
    def parse(cls, url: str) -> "RedisAddress":
        parts = urlsplit(url)
        host = parts.hostname or "localhost"
        ours = parts.scheme == "redis" and host in LOOPBACK and not parts.username
        return cls(
            host="127.0.0.1" if host == "localhost" else host,
            port=parts.port or 6379,
            password=unquote(parts.password or ""),
            ours_to_serve=ours,
        )


def who_serves(url: str) -> str:
    """`theirs` or `own`. Raises SystemExit, never showing the URL's password."""
    address = RedisAddress.parse(url)
    place = f"{address.host}:{address.port}"
    client = redis.Redis.from_url(
        url,
        socket_timeout=PATIENCE,
        socket_connect_timeout=PATIENCE,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        client.ping()
    except redis.AuthenticationError as refusal:
        raise SystemExit(
            f"The Redis at {place} wants other credentials ({refusal}).\n"
            "  Put the right ones into REDIS_URL: redis://:PASSWORD@HOST:PORT/0"
        ) from None
    except (redis.ConnectionError, redis.TimeoutError) as error:
        if address.ours_to_serve:
            return "own"
        raise SystemExit(
            f"Nothing answers as Redis at {place} ({type(error).__name__}).\n"
            "  Start that Redis, or leave REDIS_URL out to have one run here."
        ) from None
    except redis.RedisError as error:
        raise SystemExit(f"The Redis at {place} says: {error}") from None
    finally:
        client.close()
    return "theirs"


if __name__ == "__main__":
    sys.stdout.write(who_serves(environment.read().redis_url) + "\n")
