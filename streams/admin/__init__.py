"""The admin: streams and keys, broadcasts and runs, ladder profiles, users."""

from streams.admin import broadcast, ladder_profile, run, stream, user

__all__ = ["broadcast", "ladder_profile", "run", "stream", "user"]
