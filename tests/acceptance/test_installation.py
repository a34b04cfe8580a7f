"""The command line, called again and wrongly."""

from pathlib import Path

from tests.acceptance.stack import Stack
from tests.deploy.installation import free_port


def test_a_second_start_changes_nothing(stack: Stack) -> None:
    before = stack.pids()
    again = stack.app("start")
    assert again.returncode == 0, again.stdout
    assert stack.pids() == before


def test_a_second_setup_changes_nothing_and_shows_no_secret(stack: Stack) -> None:
    before = stack.pids()
    again = stack.app("setup")
    assert again.returncode == 0, again.stdout
    assert stack.pids() == before
    assert stack.key not in again.stdout
    assert "shown once" in again.stdout


def test_status_tells_that_all_is_well(stack: Stack) -> None:
    assert set(stack.pids()) == {"redis", "origin", "web", "worker", "beat", "ingest", "edge"}
    status = stack.app("status")
    assert status.returncode == 0, status.stdout
    assert "All parts are well." in status.stdout
    assert status.stdout.count("RUNNING") == 7


def test_a_taken_port_is_named_with_its_program(stack: Stack, tmp_path: Path) -> None:
    other = Stack()
    try:
        elsewhere = {
            "LIVESTREAM_WEB_PORT": str(stack.web),
            "REDIS_URL": stack.environment["REDIS_URL"],
        }
        refused = other.app("setup", **elsewhere)
        assert refused.returncode == 1
        assert f"127.0.0.1:{stack.web} (web) is taken by nginx (pid" in refused.stdout
        assert "LIVESTREAM_WEB_PORT=3001" in refused.stdout
        assert other.leftovers() == []
    finally:
        other.remove()


def test_what_is_not_set_up_cannot_be_started(stack: Stack) -> None:
    other = Stack()
    refused = other.app("start")
    other.remove()
    assert refused.returncode == 1
    assert "Call: ./deploy/app.sh setup" in refused.stdout


def test_a_redis_that_does_not_answer_elsewhere_is_asked_for(stack: Stack) -> None:
    other = Stack()
    refused = other.app("setup", REDIS_URL=f"rediss://127.0.0.1:{free_port()}/0")
    other.remove()
    assert refused.returncode == 1
    assert "Nothing answers as Redis" in refused.stdout


def test_a_mongodb_that_does_not_answer_is_asked_for(stack: Stack) -> None:
    other = Stack()
    uri = f"mongodb://root:s3cret@127.0.0.1:{free_port()}/x?serverSelectionTimeoutMS=500"
    refused = other.app("setup", MONGODB_URI=uri)
    other.remove()
    assert refused.returncode == 1
    assert "The database does not answer: 127.0.0.1:" in refused.stdout
    assert "user and password fit?" in refused.stdout
    assert "s3cret" not in refused.stdout


def test_unknown_words_are_answered_with_the_known_ones(stack: Stack) -> None:
    for words, said in (
        (("restart", "wbe"), "There are: redis origin web worker beat ingest edge"),
        (("strat",), "Usage: ./deploy/app.sh COMMAND"),
        (("demo", "soon"), "not a number of seconds"),
    ):
        answer = stack.app(*words)
        assert answer.returncode == 1
        assert said in answer.stdout


def test_the_demo_publishes_for_as_long_as_it_is_told(stack: Stack) -> None:
    demo = stack.app("demo", "3")
    assert demo.returncode == 0, demo.stdout
