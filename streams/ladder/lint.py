"""Lint: what could be better about a source, measured from a sample, with advice in OBS's words."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from streams.ladder.renditions import highest_first, top_rung
from streams.ladder.rungs import Rung
from streams.ladder.sample import Picture, Sample, Sound
from streams.ladder.source import in_every_browser

# Below this, rates and intervals say nothing.
ENOUGH_SECONDS = 4.0
# One key frame every two seconds is what to set; FLV's milliseconds need a little slack.
KEY_FRAMES_HINT = 2.6
KEY_FRAMES_TOO_FAR = 4.1
IRREGULAR = 1.0  # seconds between the shortest and the longest distance
UNEVEN_FRAMES = 0.1
TOO_MUCH = 1.6  # times the target
TOO_LITTLE = 0.35
UNSTEADY = 2.0  # times the mean
BUSY_WINDOW = 2.0  # seconds: a key frame and what follows it
RATES = (10, 12, 15, 20, 24_000 / 1001, 24, 25, 30_000 / 1001, 30, 48, 50, 60_000 / 1001, 60)
FAST = 40.0  # frames per second that need half as much again
ASPECTS = (16 / 9, 4 / 3, 16 / 10, 3 / 2, 1, 21 / 9, 64 / 27, 9 / 16, 3 / 4, 10 / 16, 2 / 3, 4 / 5)
SAMPLE_RATES = (44_100, 48_000)


@dataclass(frozen=True)
class Finding:
    """A warning costs viewers something; a hint is worth knowing."""

    code: str
    advice: str
    severity: Literal["warning", "hint"] = "warning"

    def entry(self) -> dict[str, str]:
        return asdict(self)


def lint(sample: Sample, rungs: Sequence[Rung]) -> list[Finding]:
    """Findings, the weighty ones first. `rungs`: of the profile; none means DEFAULT_RUNGS."""
    findings = [*_of_picture(sample.picture, rungs), *_of_sound(sample.sound)]
    return sorted(findings, key=lambda finding: finding.severity == "hint")


def _of_picture(picture: Picture | None, rungs: Sequence[Rung]) -> Iterator[Finding]:
    if picture is None:
        yield Finding(
            "no_video",
            "No picture arrives. In OBS, look whether a scene is shown and H.264 is set.",
        )
        return
    yield from _of_format(picture)
    if picture.seconds >= ENOUGH_SECONDS:
        yield from _of_key_frames(picture)
        yield from _of_frames(picture)
        yield from _of_bitrate(picture, rungs)


def _of_format(picture: Picture) -> Iterator[Finding]:
    width, height = picture.width, picture.height
    if picture.codec != "h264":
        yield Finding(
            "video_codec",
            f"The picture is {picture.codec or 'of an unknown codec'}; set the encoder to H.264.",
        )
    elif not in_every_browser(picture.profile):
        yield Finding(
            "video_profile",
            f"Browsers do not decode H.264 of the profile {picture.profile}, so every rendition is "
            "encoded again. Set the profile to high or main, and the colour format to NV12.",
        )
    if width % 2 or height % 2:
        yield Finding(
            "odd_size",
            f"The picture has {width}x{height} points. Use even numbers, such as 1920x1080, or "
            "its edge is cut off.",
        )
    elif picture.aspect and not _near(picture.aspect, ASPECTS, 0.02):
        yield Finding(
            "unusual_size",
            f"The picture's {width}x{height} is an unusual shape; players show bars beside it. "
            "Set the output to 16:9, such as 1920x1080 or 1280x720.",
            "hint",
        )


def _of_key_frames(picture: Picture) -> Iterator[Finding]:
    longest, distances = picture.longest_key_frame_distance, picture.key_frame_distances
    if longest > KEY_FRAMES_HINT:
        often = f"every {longest:.1f} s" if distances else f"every {longest:.0f} s or less often"
        far = longest > KEY_FRAMES_TOO_FAR
        effect = "too seldom to pass it through" if far else "which adds to the latency"
        yield Finding(
            "key_frames_far_apart",
            f"The encoder sends a key frame {often}, {effect}; set Keyframe Interval to 2 s.",
            "warning" if far else "hint",
        )
    elif len(distances) > 1 and max(distances) - min(distances) > IRREGULAR:
        yield Finding(
            "key_frames_irregular",
            f"Key frames come at irregular times, {min(distances):.1f} to {max(distances):.1f} s "
            "apart, so segments differ in length. With x264 add the option scenecut=0.",
            "hint",
        )


def _of_frames(picture: Picture) -> Iterator[Finding]:
    rate = picture.frames_per_second
    if picture.reordered:
        yield Finding(
            "b_frames",
            "The encoder uses B-frames. They are fine for viewers and add a little latency; for "
            "the least latency set them to 0.",
            "hint",
        )
    if picture.uneven > UNEVEN_FRAMES:
        intervals = sorted(picture.frame_intervals)
        slow, quick = intervals[len(intervals) * 95 // 100], intervals[len(intervals) * 5 // 100]
        yield Finding(
            "variable_frame_rate",
            f"The frame rate varies, between {1 / slow:.0f} and {1 / max(quick, 0.001):.0f} frames "
            "a second. Set a constant one; where OBS reports dropped frames, lower the bitrate.",
        )
    elif not _near(rate, RATES, 0.02):
        yield Finding(
            "frame_rate",
            f"The picture has {rate:.1f} frames a second. Set 30 or 60 (25 or 50 fit as well): "
            "screens show others unevenly.",
            "hint",
        )


def _of_bitrate(picture: Picture, rungs: Sequence[Rung]) -> Iterator[Finding]:
    rate, lines = picture.bits_per_second, min(picture.width, picture.height)
    right = usual_bitrate(picture, rungs)
    if rate > right * TOO_MUCH:
        yield Finding(
            "bitrate_high",
            f"The picture takes {megabits(rate)}; {megabits(right)} are enough for {lines}p. Where "
            "it is passed through, viewers of the best quality need all of it: lower the bitrate.",
        )
    elif rate < right * TOO_LITTLE:
        yield Finding(
            "bitrate_low",
            f"The picture has only {megabits(rate)}; for {lines}p {megabits(right)} are usual. "
            "If it looks blocky when things move, raise the bitrate or make it smaller.",
            "hint",
        )
    busiest = picture.busiest(BUSY_WINDOW)
    if busiest > rate * UNSTEADY:
        yield Finding(
            "bitrate_unsteady",
            f"The bitrate jumps: {megabits(rate)} on average, up to {megabits(busiest)}. Set Rate "
            "Control to CBR, so that viewers keep their quality.",
        )


def _of_sound(sound: Sound | None) -> Iterator[Finding]:
    if sound is None:
        yield Finding(
            "no_audio", "No sound arrives. If there should be some, look at OBS's audio mixer."
        )
        return
    if sound.codec != "aac":
        yield Finding(
            "audio_codec",
            f"The sound is {sound.codec or 'of an unknown codec'} and is encoded again; AAC is "
            "passed through.",
            "hint",
        )
    if sound.sample_rate and sound.sample_rate not in SAMPLE_RATES:
        yield Finding(
            "audio_sample_rate",
            f"The sound has {sound.sample_rate} samples a second; set 48 kHz or 44.1 kHz, which "
            "every device plays.",
            "hint",
        )


def _near(value: float, usual: tuple[float, ...], tolerance: float) -> bool:
    return any(abs(value / one - 1) <= tolerance for one in usual)


def usual_bitrate(picture: Picture, rungs: Sequence[Rung]) -> float:
    """What the ladder would give a picture like this, more for more points or frames."""
    lines = min(picture.width, picture.height)
    rung = top_rung(lines, highest_first(rungs))
    larger = (lines / rung.height) ** 1.5 if lines > rung.height else 1.0
    return rung.video_bitrate * larger * (1.5 if picture.frames_per_second > FAST else 1.0)


def megabits(bits_per_second: float) -> str:
    return f"{bits_per_second / 1e6:.1f} Mbit/s"
