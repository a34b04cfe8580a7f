"""Stream names: safe as a path segment, a URL segment and a file name."""

import re

from django.core.exceptions import ValidationError

MAX_LENGTH = 63
PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
# First path segments that are not streams, now or soon.
RESERVED = frozenset(
    """
    about accounts admin api current embed favicon health hls live login logout media metrics
    oembed play robots rss rtmp settings signup socket stat static stats streams user watch
    well-known ws
    """.split()  # noqa: SIM905  a list of strings would be four times as long
)


def is_safe(name: str) -> bool:
    return PATTERN.fullmatch(name) is not None


def validate_name(name: str) -> None:
    """Raises ValidationError, saying which characters are allowed or that the name is taken."""
    if not is_safe(name):
        raise ValidationError(
            "Use 1 to 63 lower-case letters, digits, - and _, beginning with a letter or digit.",
            code="unsafe_name",
        )
    if name in RESERVED:
        raise ValidationError(f"“{name}” is used by a page of the site; choose another name.")
