import pytest
from django.core.exceptions import ValidationError

from streams.names import is_safe, validate_name


@pytest.mark.parametrize("name", ["a", "stream", "alice-2", "0_0", "x" * 63])
def test_safe_names(name: str) -> None:
    validate_name(name)
    assert is_safe(name)


@pytest.mark.parametrize(
    "name",
    ["", "A", "ä", "a b", "a/b", "a.b", "..", "-a", "_a", "x" * 64, "a\n", "a\0", "%2e", "a?b"],
)
def test_names_that_are_no_path_or_url(name: str) -> None:
    assert not is_safe(name)
    with pytest.raises(ValidationError):
        validate_name(name)


@pytest.mark.parametrize("name", ["admin", "api", "hls", "ws", "static", "health", "rtmp", "watch"])
def test_names_of_pages_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        validate_name(name)
