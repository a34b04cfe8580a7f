"""The database's settings, from what the environment says."""

import traceback

import pytest
from django.core.exceptions import ImproperlyConfigured

from livestream import database


@pytest.mark.parametrize(
    ("uri", "name", "expected"),
    [
        ("mongodb://localhost/live", "", "live"),
        ("mongodb://localhost/live", "other", "other"),
        ("mongodb://localhost", "other", "other"),
        ("mongodb://u:p%40@a:1,b:2/live?replicaSet=rs&authSource=admin", "", "live"),
        ("mongodb+srv://u:p@cluster.example.org/live", "", "live"),
        ("mongodb://%2Ftmp%2Fmongodb.sock/live", "", "live"),
    ],
)
def test_the_databases_name(uri: str, name: str, expected: str) -> None:
    found = database.mongodb(uri, name)
    assert (found["NAME"], found["HOST"]) == (expected, uri)


def test_what_the_uri_says_wins() -> None:
    uri = "mongodb://localhost/live?serverselectiontimeoutms=3000"
    options = database.mongodb(uri)["OPTIONS"]
    assert "serverSelectionTimeoutMS" not in options
    assert options["socketTimeoutMS"] == 5000


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("mongodb://root:s3cret@localhost", "names no database"),
        ("mongodb://root:s3cret@localhost/?authSource=admin", "names no database"),
        ("mongo://root:s3cret@localhost/live", "does not begin with mongodb://"),
        ("root:s3cret@localhost/live", "does not begin with mongodb://"),
        ("mongodb://root:s3cret@localhost/li/ve", "a character"),
        ("mongodb://root:s3cret/@localhost/live", "a character"),
        ("mongodb://root:s3cret[@localhost/live", "cannot be read"),
        ("mongodb://root:s3cret@localhost/live?readPreference=nearest", "readPreference"),
        ("mongodb://root:s3cret@localhost/live?w=0", "w=0"),
    ],
)
def test_a_wrong_uri_is_refused_without_its_password(uri: str, said: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=said) as refused:
        database.mongodb(uri)
    assert "s3cret" not in "".join(traceback.format_exception(refused.value)).split("Improper")[-1]
