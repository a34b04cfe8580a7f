"""A secret comes from its variable or from a file, and no error ever shows it."""

from operator import attrgetter
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from livestream import env
from livestream.secret import read_secret

SECRETS = {
    "SECRET_KEY": "secret_key",
    "LIVESTREAM_INGEST_SECRET": "ingest_secret",
    "MONGODB_URI": "mongodb_uri",
    "REDIS_URL": "redis.url",
    "REDIS_CACHE_URL": "redis.cache.url",
    "REDIS_CHANNELS_URL": "redis.channels.url",
    "REDIS_BROKER_URL": "redis.broker.url",
    "REDIS_SENTINEL_PASSWORD": "redis.sentinels.password",
}


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    variables = {"SECRET_KEY": "x" * 50, "LIVESTREAM_VAR": str(tmp_path)}
    monkeypatch.setattr("os.environ", variables)
    monkeypatch.setattr("environ.Env.ENVIRON", variables)


@pytest.mark.parametrize("name", SECRETS)
def test_every_secret_may_be_in_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    (tmp_path / "secret").write_text("from-a-file\n")
    monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("REDIS_SENTINELS", "127.0.0.1:26379")
    found = env.read()
    assert attrgetter(SECRETS[name])(found) == "from-a-file"
    assert "from-a-file" not in repr(found)


def test_the_name_of_the_file_may_stand_in_the_env_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SECRET_KEY")
    (tmp_path / "secret").write_text("from-a-file")
    (tmp_path / "env").write_text(f"SECRET_KEY_FILE={tmp_path}/secret\nSECRET_KEY=\n")
    assert env.read().secret_key == "from-a-file"


def test_neither_is_no_secret() -> None:
    assert read_secret("REDIS_URL") == ""


def test_both_are_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hidden-in-a-file")
    monkeypatch.setenv("SECRET_KEY_FILE", str(tmp_path / "secret"))
    with pytest.raises(ImproperlyConfigured, match="both set") as refusal:
        env.read()
    assert "hidden" not in str(refusal.value)
    assert "xxx" not in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file"), (b"\n", "empty"), (b"\xff\xfe", "not UTF-8")]
)
def test_a_file_that_holds_no_secret_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("REDIS_URL_FILE", str(file))
    with pytest.raises(ImproperlyConfigured, match=f"REDIS_URL_FILE names {file}.*{said}"):
        env.read()
