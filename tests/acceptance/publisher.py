"""A publisher: FFmpeg sending a test picture through the ingest, as OBS would."""

import subprocess
from types import TracebackType


class Publisher:
    """Publishes from `start` until `stop`; also a context."""

    def __init__(
        self, port: int, key: str, size: str = "1280x720", rate: int = 25, gop: float = 2.0
    ) -> None:
        """`gop`: seconds between key frames."""
        self.url = f"rtmp://127.0.0.1:{port}/live/{key}"
        self._size, self._rate, self._gop = size, rate, str(round(gop * rate))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Publisher":
        self._process = subprocess.Popen(
            ["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-re",
             "-f", "lavfi", "-i", f"testsrc2=size={self._size}:rate={self._rate}",
             "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
             "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency",
             "-pix_fmt", "yuv420p", "-b:v", "1500k", "-g", self._gop,
             "-keyint_min", self._gop, "-sc_threshold", "0",
             "-c:a", "aac", "-b:a", "96k", "-f", "flv", self.url],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return self

    @property
    def publishing(self) -> bool:
        return self._process is not None and self._process.poll() is None

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
