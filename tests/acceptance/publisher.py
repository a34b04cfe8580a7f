"""A publisher: FFmpeg sending a test picture through the ingest, as OBS would."""

import subprocess
from collections.abc import Sequence
from types import TracebackType

SOUND = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000")
AAC = ("-c:a", "aac", "-b:a", "96k")


def moving(size: str, rate: int) -> tuple[str, ...]:
    """FFmpeg's input of a picture that moves."""
    return ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}")


def h264(frames: int, *, pixels: str = "yuv420p") -> tuple[str, ...]:
    """The encoder's options, with a key frame every so many frames and nowhere else."""
    return (
        "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", pixels,
        "-b:v", "1500k", "-g", str(frames), "-keyint_min", str(frames), "-sc_threshold", "0",
    )  # fmt: skip


class Publisher:
    """Publishes from `start` until `stop`; also a context. `source`: FFmpeg's inputs and codecs,
    when it is to be something else than a picture and a sound."""

    def __init__(
        self,
        port: int,
        key: str,
        size: str = "1280x720",
        rate: int = 25,
        source: Sequence[str] = (),
    ) -> None:
        self.url = f"rtmp://127.0.0.1:{port}/live/{key}"
        self._source = source or (*moving(size, rate), *SOUND, *h264(2 * rate), *AAC)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Publisher":
        self._process = subprocess.Popen(
            ["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-re",
             *self._source, "-f", "flv", self.url],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return self

    @property
    def publishing(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def ended(self, seconds: float) -> int:
        """Its exit code, once it has ended by itself. Raises TimeoutExpired."""
        assert self._process is not None
        return self._process.wait(seconds)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)

    def __enter__(self) -> "Publisher":
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
