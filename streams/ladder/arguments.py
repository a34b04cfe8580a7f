"""FFmpeg's command line for one run: one input, one HLS output per rendition, a thumbnail.

The renditions are outputs of their own rather than variants of one (`-var_stream_map`), because
FFmpeg 5.1 then numbers the init segments (init_0.mp4) whatever name they were given.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import ffmpeg

from streams.ladder.key_frames import KEY_FRAMES_FILE, KEY_FRAMES_NOTED
from streams.ladder.renditions import Rendition
from streams.ladder.source import Audio, Source, protocols

ANALYSIS = 10_000_000  # microseconds
READ_TIMEOUT = 15.0  # seconds without a byte until FFmpeg gives its input up
THUMBNAIL_PERIOD = 10  # seconds
THUMBNAIL_WIDTH = 640
SPARE_SEGMENTS = 5  # stay on disk after leaving the list, for players that read it before
# Every rendition's clock starts here, so that the decode times of B-frames never fall below zero,
# which would make the muxer shift that rendition against the others.
START = 10.0
# No key frame but the forced ones: another would be a place to cut in this rendition only. The rest
# is delay: x264 holds back the frames it looks ahead at and one for each thread, with the preset's
# own values half a second, which the first viewer waits for; 0.1 dB of SSIM is the price.
X264 = "keyint=infinite:rc-lookahead=3:sync-lookahead=0:threads=3"
# What an adaptive rung becomes when the source is no larger than it.
NEXT_TO_NOTHING = 64
# Segments are cut at the first key frame after n * this; the slack absorbs FLV's milliseconds.
CUT_SLACK = 0.1
# Between key frames on a grid there are none to cut at too early.
GRID_SLACK = 0.005


def ffmpeg_arguments(
    source: Source,
    renditions: Sequence[Rendition],
    *,
    input_url: str,
    folder: Path,
    segment_seconds: int = 2,
    window_segments: int = 30,
    adaptive: bool = False,
) -> list[str]:
    """The command line, `ffmpeg` included, that writes `renditions` below `folder`.

    `folder` must hold a folder named for each rendition. `adaptive`: the source is not known yet.
    Encoded renditions then get the source's shape, or next to nothing where it is no larger than
    they (the lowest one its size), and key frames every `segment_seconds`, as a copied one should
    have. Raises ValueError when there is nothing to write.
    """
    if not any(rendition.video or rendition.audio for rendition in renditions):
        raise ValueError("a ladder needs picture or sound")
    stream = ffmpeg.input(input_url, **_input(source, input_url, renditions, adaptive))
    if adaptive:
        pictures = _adaptive_pictures(stream["v:0"], renditions)
    else:
        pictures = _pictures(stream["v:0"], renditions, segment_seconds)
    sound = stream["a:0?"] if adaptive else stream["a:0"]
    follows = not adaptive and any(rendition.video == "copy" for rendition in renditions)
    slack = GRID_SLACK if adaptive else CUT_SLACK
    outputs = []
    for rendition in renditions:
        picture = next(pictures) if rendition.video else None
        parts = [picture] if picture is not None else []
        parts += [sound] if rendition.audio else []
        target = folder / rendition.name
        options = (
            _video(rendition, segment_seconds, follows, adaptive)
            | _audio(source.audio, rendition)
            | _hls(target, rendition, segment_seconds, slack, window_segments)
        )
        outputs.append(ffmpeg.output(*parts, str(target / "index.m3u8"), **options))
    if renditions[0].video:
        outputs.append(_thumbnail(next(pictures), folder))
        outputs.append(_key_frames(stream["v:0"], folder))
    command: list[str] = ffmpeg.merge_outputs(*outputs).global_args(*_global(folder)).compile()
    return command


def _global(folder: Path) -> list[str]:
    return [
        "-nostdin", "-hide_banner", "-y", "-loglevel", "warning", "-copytb", "1",
        "-stats_period", "1", "-progress", str(folder / "progress.txt"),
    ]  # fmt: skip


def _input(
    source: Source, url: str, renditions: Sequence[Rendition], adaptive: bool
) -> dict[str, Any]:
    options: dict[str, Any] = {
        "itsoffset": START,
        # FFmpeg ends its search as soon as it has a picture and a sound, if the metadata promised
        # no more, and these may come late. For one of them alone it would search to the end.
        "analyzeduration": ANALYSIS
        if source.video and source.audio and not adaptive
        else 1_000_000,
        "probesize": 5_000_000,
        # The frame rate stands in the metadata as well; measuring it takes most of a second.
        "fpsprobesize": 0,
        # Decoding several frames at once would hold each of them back.
        "thread_type": "slice",
        # Media must not be able to send FFmpeg elsewhere.
        "protocol_whitelist": protocols(url),
    }
    if url.startswith("rtmp"):
        options |= {
            "f": "flv",
            "rtmp_live": "live",
            # Unless it is told, TCP holds each step of the handshake back for some 40 ms.
            "tcp_nodelay": 1,
            "rw_timeout": round(READ_TIMEOUT * 1_000_000),
        }
    if not any(rendition.video == "x264" for rendition in renditions):
        # Only the thumbnail needs pictures: decoding key frames is enough for it.
        options["skip_frame"] = "nokey"
    return options


def _pictures(source: Any, renditions: Sequence[Rendition], segment_seconds: int) -> Iterator[Any]:
    """The picture of each rendition with one, best first, and at last the thumbnail's.

    Each encoded rendition is scaled from the one above it: 15 % less CPU than from the source.
    """
    encoded = [rendition for rendition in renditions if rendition.video == "x264"]
    copied = len([rendition for rendition in renditions if rendition.video == "copy"])
    yield from [source] * copied
    if not encoded:
        yield source
        return
    forks = source.filter_multi_output("split")
    chain, keep = forks[1], "key" if copied else None
    limit: int | None = None
    for index, rendition in enumerate(encoded):
        if rendition.max_fps != limit and rendition.max_fps:
            chain = _capped(chain, rendition.max_fps, keep, segment_seconds)
            limit = rendition.max_fps
        chain = chain.filter("scale", rendition.width, rendition.height).filter("setsar", 1)
        if index == len(encoded) - 1:
            yield chain
        else:
            fork = chain.filter_multi_output("split")
            yield fork[0]
            chain = fork[1]
    yield forks[0]


def _adaptive_pictures(source: Any, renditions: Sequence[Rendition]) -> Iterator[Any]:
    """As above, each one scaled from the source itself."""
    encoded = [rendition for rendition in renditions if rendition.video == "x264"]
    yield from [source] * (len(renditions) - len(encoded))
    forks = source.filter_multi_output("split")
    for index, rendition in enumerate(encoded):
        short = min(rendition.width, rendition.height)
        scaled = f"if(gt(min(iw,ih),{short}),2*round({{0}}*{short}/min(iw,ih)/2),{{1}})"
        lowest = index == len(encoded) - 1
        sides = [
            scaled.format(side, f"2*floor({side}/2)" if lowest else NEXT_TO_NOTHING)
            for side in ("iw", "ih")
        ]
        yield forks[index + 1].filter("scale", *sides).filter("setsar", 1)
    yield forks[0]


def _capped(picture: Any, max_fps: int, keep: str | None, segment_seconds: int) -> Any:
    """Leave frames out above `max_fps`, never one that is to become a key frame."""
    # A quarter of a slot keeps frames that jitter around a slot's edge on the same side of it.
    slot = "floor((%s-start_t)*" + f"{max_fps}+0.25)"
    due = f"gt({slot % 't'},{slot % 'prev_selected_t'})"
    first_of_segment = keep or _new_segment("t", "prev_t", "start_t", segment_seconds)
    return picture.filter("select", f"isnan(prev_selected_t)+{due}+{first_of_segment}")


def _new_segment(now: str, before: str, start: str, segment_seconds: int) -> str:
    """FFmpeg expression: `now` lies in a later segment than `before`, counted from `start`."""
    index = f"floor((%s-{start}+0.005)/{segment_seconds})"
    return f"gt({index % now},{index % before})"


def _video(
    rendition: Rendition, segment_seconds: int, follows: bool, adaptive: bool
) -> dict[str, Any]:
    if rendition.video is None:
        return {}
    options: dict[str, Any] = {
        # The last frame's duration must not reach into the next segment, or FFmpeg moves that
        # segment's key frame and says so at every cut.
        "bsf:v": "setts=pts=PTS:dts=DTS:duration=if(N\\,(DTS-PREV_INDTS)*0.96\\,DURATION)",
    }
    if rendition.video == "copy":
        return options | {"c:v": "copy"}
    # `source` follows the copied rendition's key frames; with none to follow, one per segment.
    segment = _new_segment("t", "prev_forced_t", "ld(0)", segment_seconds)
    if adaptive:  # a copied one's do not keep to multiples of it: 60 frames may be 2.002 s
        segment = f"gte(t,prev_forced_t+{segment_seconds - GRID_SLACK})"
    return options | {
        "c:v": "libx264",
        "preset": "veryfast",
        "profile:v": "high",
        "pix_fmt": "yuv420p",
        "b:v": rendition.video_bitrate,
        "maxrate": rendition.video_bitrate,
        "bufsize": 2 * (rendition.video_bitrate or 0),
        "sc_threshold": 0,
        "x264-params": X264,
        "force_key_frames": "source"
        if follows
        else f"expr:if(isnan(prev_forced_t),st(0,t)+1,{segment})",
        "forced-idr": 1,
        # The source's own times, so that a frame has the same time in every rendition.
        "fps_mode": "passthrough",
        "enc_time_base": -1,
    }


def _audio(source: Audio | None, rendition: Rendition) -> dict[str, Any]:
    if rendition.audio is None or source is None:
        return {}
    if rendition.audio == "copy":
        return {"c:a": "copy"}
    return {
        "c:a": "aac",
        "b:a": rendition.audio_bitrate,
        "ar": source.sample_rate if source.sample_rate in (44_100, 48_000) else 48_000,
        "ac": min(source.channels, 2) or 2,
        # Fills gaps: the encoder counts samples, and would run ahead of the picture.
        "af": "aresample=async=1000",
    }


def _hls(
    folder: Path, rendition: Rendition, seconds: int, slack: float, window: int
) -> dict[str, Any]:
    return {
        "f": "hls",
        # Sound can be cut anywhere, so needs no slack.
        "hls_time": seconds - slack if rendition.video else seconds,
        "hls_list_size": window,
        "hls_delete_threshold": SPARE_SEGMENTS,
        "hls_segment_type": "fmp4",
        "hls_fmp4_init_filename": "init.mp4",
        "hls_segment_filename": str(folder / "%06d.m4s"),
        "hls_flags": "delete_segments+program_date_time+independent_segments+temp_file",
        # Decode times as they are, instead of zero plus an edit list that browsers ignore: a
        # picture that starts a second after the sound would play a second early.
        "hls_segment_options": "movflags=+frag_discont",
        "avoid_negative_ts": "disabled",
        # A sound track that stops must not hold the picture back for the default ten seconds.
        "max_interleave_delta": 3_000_000,
    }


def _thumbnail(picture: Any, folder: Path) -> Any:
    small = (
        picture.filter(
            "select", f"isnan(prev_selected_t)+gte(t-prev_selected_t,{THUMBNAIL_PERIOD})"
        )
        .filter("scale", f"min({THUMBNAIL_WIDTH},iw)", -2, out_range="full")
        .filter("format", "yuv420p")
    )
    return ffmpeg.output(
        small,
        str(folder / "thumb.jpg"),
        **{
            "f": "image2",
            "c:v": "mjpeg",
            "q:v": 5,
            # Full-range yuv420p is what JPEG is; FFmpeg wants to be told that it is meant.
            "color_range": "pc",
            "strict": "unofficial",
            "fps_mode": "passthrough",
            "update": 1,
            "atomic_writing": 1,
            # Several threads would hold the first picture back until the second comes.
            "threads:v": 1,
        },
    )


def _key_frames(picture: Any, folder: Path) -> Any:
    """A line for each key frame of the source: costs nothing, as nothing is decoded for it."""
    return ffmpeg.output(
        picture,
        str(folder / KEY_FRAMES_FILE),
        **{
            "f": "framecrc",
            "c:v": "copy",
            "bsf:v": "noise=drop=not(key)",
            "flush_packets": 1,
            "t": KEY_FRAMES_NOTED,
        },
    )
