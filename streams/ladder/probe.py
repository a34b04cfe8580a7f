"""ffprobe: asks the stream itself when /stat does not know enough."""

import json
import os
import subprocess
from typing import Any

from streams.ladder.source import Audio, Source, Video, in_every_browser, protocols

INHERITED = ("PATH", "LD_LIBRARY_PATH")


class ProbeError(Exception):
    """The stream could not be read; the message is ffprobe's, or says what is missing."""


def probe(url: str, timeout: float) -> Source:
    """What the stream at `url` carries. Blocks for at most `timeout` seconds. Raises ProbeError."""
    command = ["ffprobe", "-loglevel", "error", "-print_format", "json", "-show_streams"]
    command += [*only_this_input(url), "-analyzeduration", "2000000", "-probesize", "2000000", url]
    try:
        result = subprocess.run(
            command,
            capture_output=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
            env=environment(),
        )
    except FileNotFoundError as error:
        raise ProbeError("ffprobe is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise ProbeError(f"no answer within {timeout:g} s") from error
    if result.returncode != 0:
        raise ProbeError(_last_line(result.stderr) or f"ffprobe ended with {result.returncode}")
    return _source(json.loads(result.stdout).get("streams", []))


def only_this_input(url: str) -> list[str]:
    """Options that keep media from sending ffprobe elsewhere."""
    live = ["-f", "flv", "-rtmp_live", "live"] if url.startswith("rtmp") else []
    return ["-protocol_whitelist", protocols(url), *live]


def environment() -> dict[str, str]:
    """Without the secrets that ours holds."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ}


def _source(streams: list[dict[str, Any]]) -> Source:
    video = audio = None
    for stream in streams:
        if stream.get("codec_type") == "video" and video is None:
            video = Video(
                stream.get("codec_name", ""),
                stream.get("width", 0),
                stream.get("height", 0),
                _rate(stream.get("avg_frame_rate")) or _rate(stream.get("r_frame_rate")),
                in_every_browser(stream.get("profile", "")),
            )
        elif stream.get("codec_type") == "audio" and audio is None:
            audio = Audio(
                stream.get("codec_name", ""),
                int(stream.get("sample_rate", 0)),
                stream.get("channels", 0),
            )
    if video is None and audio is None:
        raise ProbeError("neither picture nor sound in the stream")
    return Source(video, audio)


def _rate(fraction: str | None) -> float | None:
    """ffprobe writes rates as "30000/1001", and "0/0" when it does not know."""
    above, _, below = (fraction or "").partition("/")
    try:
        return float(above) / float(below) or None
    except (ValueError, ZeroDivisionError):
        return None


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
