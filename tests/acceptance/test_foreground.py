"""A broadcast driven from the terminal, handed over to a worker, and what is found about it."""

import json
import signal
import time
from typing import Any

from tests.acceptance.playlist import media, variants
from tests.acceptance.publisher import AAC, SOUND, Publisher, h264, moving
from tests.acceptance.stack import Stack, until

NAME = "terminal"
# Key frames as far apart as OBS's are by default.
SOURCE = (*moving("320x180", 30), *SOUND, *h264(250), *AAC)


def listed(stack: Stack) -> dict[str, Any]:
    rows: list[dict[str, Any]] = json.loads(stack.manage("broadcasts", "--json"))
    return next((row for row in rows if row["stream"] == NAME), {})


def test_it_is_driven_without_celery_and_handed_over_by_ctrl_c(stack: Stack) -> None:
    stack.control("stop", "worker")
    stack.add_stream(NAME, grace=2)
    command = stack.foreground("run_broadcast", NAME)
    try:
        with Publisher(stack.rtmp, NAME, source=SOURCE):
            path = until(lambda: variants(stack, NAME), 30, "a master playlist")[-1].path
            # The first run finds that it cannot cut at such key frames, and gives way to another.
            until(lambda: media(stack, path).newest >= 2, 30, "segments")
            [encoder] = until(stack.encoders, 15, "an FFmpeg")
            refused = stack.foreground("run_broadcast", NAME)
            assert "driven by a worker" in refused.communicate(timeout=30)[0]
            assert refused.returncode == 1
            command.send_signal(signal.SIGINT)
            said, _ = command.communicate(timeout=30)
            assert f"FFmpeg (pid {encoder}) goes on" in said
            stack.control("start", "worker")
            row = until(lambda: (r := listed(stack)).get("lease_host") and r, 20, "a worker")
            assert row["pid"] == encoder
            newest = media(stack, path).newest
            until(lambda: media(stack, path).newest > newest, 30, "more segments")
            far = time.monotonic()
            row = until(lambda: (r := listed(stack)).get("findings") and r, 60, "findings")
            stack.note("adopted to findings", far)
            assert "key_frames_far_apart" in row["findings"]
    finally:
        if command.poll() is None:
            command.kill()
        stack.control("start", "worker")
    until(lambda: not listed(stack), 30, "the end")
