import signal

import pytest

from streams.supervisor.ending import classify
from streams.supervisor.states import EndReason

REFUSED = "rtmp://127.0.0.1:1935/live/x: Input/output error"
BROKEN = "rtmp://127.0.0.1:1935/live/x: Invalid data found when processing input"


@pytest.mark.parametrize(
    ("exit_code", "produced", "finished", "log", "reason"),
    [
        (0, True, True, "", EndReason.PUBLISHER_GONE),
        (None, True, True, "", EndReason.PUBLISHER_GONE),
        (None, True, False, "", EndReason.KILLED),
        (-signal.SIGKILL, True, False, "", EndReason.KILLED),
        (-signal.SIGTERM, True, False, "", EndReason.KILLED),
        (255, True, True, "Exiting normally, received signal 15.", EndReason.KILLED),
        (-signal.SIGSEGV, True, False, "", EndReason.ENCODER_CRASHED),
        (1, False, False, REFUSED, EndReason.INPUT_NOT_READY),
        (1, True, False, REFUSED, EndReason.ENCODER_CRASHED),
        (1, False, False, BROKEN, EndReason.INPUT_UNREADABLE),
        (1, True, False, "Conversion failed!", EndReason.ENCODER_CRASHED),
    ],
)
def test_it_classifies(
    exit_code: int | None, produced: bool, finished: bool, log: str, reason: EndReason
) -> None:
    found = classify(asked=None, exit_code=exit_code, finished=finished, produced=produced, log=log)
    assert found is reason


def test_what_we_asked_for_is_the_reason() -> None:
    found = classify(
        asked=EndReason.STALLED, exit_code=-9, finished=False, produced=True, log=BROKEN
    )
    assert found is EndReason.STALLED
