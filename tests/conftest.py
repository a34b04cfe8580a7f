"""What all tests share."""

import pytest
from django.conf import LazySettings


@pytest.fixture(autouse=True)
def _quick_settings(settings: LazySettings) -> None:
    """Static files are not collected for unit tests; passwords need not resist anybody."""
    files = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": files}
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
