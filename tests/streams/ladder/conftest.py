"""Short clips as a publisher would send them, and the runs FFmpeg makes of them."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from streams.ladder.arguments import ffmpeg_arguments
from streams.ladder.probe import probe
from streams.ladder.renditions import Rendition, choose
from streams.ladder.rungs import Rung

RUNGS = (Rung(144, 300_000), Rung(90, 150_000))

type Made = tuple[Path, tuple[Rendition, ...]]
