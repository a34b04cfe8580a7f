"""A secret: from its variable NAME, or from the file that NAME_FILE names.

Files are what container engines and systemd hand secrets over by: nothing secret stands in an
environment, which child processes inherit and `docker inspect` shows.
"""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def read_secret(name: str) -> str:
    """Its value; empty when neither is set. Raises ImproperlyConfigured, never showing a value."""
    value = os.environ.get(name, "")
    file = os.environ.get(f"{name}_FILE", "")
    if not file:
        return value
    if value:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set; unset one of them.")
    try:
        # Editors and `echo` end a file with a newline; no secret ends with one.
        value = Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ImproperlyConfigured(
            f"{name}_FILE names {file}, which cannot be read: {reason}. "
            f"Write the secret there, readable for uid {os.geteuid()}."
        ) from None
    if not value:
        raise ImproperlyConfigured(f"{name}_FILE names {file}, which is empty.")
    return value
