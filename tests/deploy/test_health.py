"""What the wait for health says when something is not well."""

import json
from pathlib import Path

import pytest

from deploy.health import LOG_LINES, Answer, Finding, _pages, own_of, parts, report


def test_each_failing_part_is_named_with_its_reason() -> None:
    body = {
        "status": "failing",
        "failing": ["redis"],
        "parts": {"redis": {"ok": False, "detail": "refused"}, "disk": {"ok": True, "detail": ""}},
    }
    assert parts(Answer(503, json.dumps(body).encode())) == [Finding("redis", "refused")]


def test_an_answer_that_is_no_report_is_the_backend_s_fault() -> None:
    assert parts(Answer(502, b"<html>"))[0].part == "backend"


@pytest.mark.parametrize(
    ("answer", "well"),
    [
        (Answer(200, b""), True),
        (Answer(301, b"", "https://watch.example.org/"), True),
        (Answer(301, b"", "/elsewhere"), False),
        (Answer(502, b""), False),
    ],
)
def test_pages_may_be_served_by_https_elsewhere(answer: Answer, well: bool) -> None:
    assert (_pages(answer) == []) is well


def test_the_last_words_of_the_log_are_shown(tmp_path: Path) -> None:
    lines = [f"line {number}" for number in range(100)]
    (tmp_path / "ingest.log").write_text("\n".join(lines))
    said = report([Finding("ingest", "no answer")], tmp_path)
    assert "ingest: no answer" in said
    assert [line.strip() for line in said.splitlines()[-LOG_LINES:]] == lines[-LOG_LINES:]


def test_a_host_is_set_up_before_those_that_run_the_rest() -> None:
    worker, redis = Finding("worker", "no worker answers"), Finding("redis", "refused")
    assert own_of([worker, redis], ["web"]) == [redis]
    assert own_of([worker, redis], ["web", "worker"]) == [worker, redis]
