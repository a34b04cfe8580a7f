"""What lint says of a source: a table of measured samples."""

from dataclasses import replace

import pytest

from streams.ladder.lint import Finding, lint, usual_bitrate
from streams.ladder.rungs import Rung
from streams.ladder.sample import Packet, Picture, Sample, Sound

AAC = Sound("aac", 48_000)
RUNGS = (Rung(720, 3_000_000), Rung(360, 700_000))
# The longest text that an event takes.
LONGEST = 255


def packets(
    seconds: float = 18.0, fps: float = 30.0, gop: float = 2.0, bits_per_second: float = 3e6
) -> tuple[Packet, ...]:
    """A steady picture, its times rounded to milliseconds as FLV has them."""
    size, every = round(bits_per_second / fps / 8), max(1, round(gop * fps))
    times = [round(number / fps, 3) for number in range(round(seconds * fps) + 1)]
    return tuple(Packet(time, time, size, n % every == 0) for n, time in enumerate(times))


GOOD = Picture("h264", "High", 1280, 720, 16 / 9, packets())


def codes(picture: Picture | None, sound: Sound | None = AAC) -> list[str]:
    return [finding.code for finding in lint(Sample(picture, sound), RUNGS)]


def with_packets(some: tuple[Packet, ...]) -> Picture:
    return replace(GOOD, packets=some)


def swapped(some: tuple[Packet, ...]) -> tuple[Packet, ...]:
    """Every second and third frame change places, as with B-frames."""
    changed = list(some)
    for n in range(1, len(some) - 1, 3):
        first, second = some[n], some[n + 1]
        changed[n] = replace(first, shown=second.shown)
        changed[n + 1] = replace(second, shown=first.shown)
    return tuple(changed)


def jumpy() -> tuple[Packet, ...]:
    """Four seconds of much within eighteen of little."""
    return tuple(
        replace(p, size=p.size * 4 if 6 <= p.shown < 10 else p.size // 2) for p in packets()
    )


def keyed(*seconds: float) -> tuple[Packet, ...]:
    return tuple(replace(p, key=p.shown in seconds) for p in packets())


EVERY_THIRD_LEFT_OUT = tuple(p for n, p in enumerate(packets()) if n % 3 != 1)

CASES = [
    ("as it should be", GOOD, []),
    ("60 frames a second", with_packets(packets(fps=60)), []),
    ("29.97 frames a second", with_packets(packets(fps=30_000 / 1001)), []),
    ("no picture", None, ["no_video"]),
    ("HEVC", replace(GOOD, codec="hevc"), ["video_codec"]),
    ("more colour than browsers take", replace(GOOD, profile="High 4:4:4 Predictive"),
     ["video_profile"]),
    ("an odd height", replace(GOOD, height=721), ["odd_size"]),
    ("an unusual shape", replace(GOOD, aspect=2.9), ["unusual_size"]),
    ("upright", replace(GOOD, width=720, height=1280, aspect=9 / 16), []),
    ("OBS's default key frames", with_packets(packets(gop=25 / 3)), ["key_frames_far_apart"]),
    ("one key frame in all", with_packets(packets(gop=100)), ["key_frames_far_apart"]),
    ("no key frame at all", with_packets(keyed()), ["key_frames_far_apart"]),
    ("key frames at scene cuts", with_packets(keyed(0, 0.5, 2.5, 4.5, 5, 7, 9, 11, 13, 15, 17)),
     ["key_frames_irregular"]),
    ("B-frames", with_packets(swapped(packets())), ["b_frames"]),
    ("frames left out", with_packets(EVERY_THIRD_LEFT_OUT), ["variable_frame_rate"]),
    ("an odd frame rate", with_packets(packets(fps=37)), ["frame_rate"]),
    ("144 frames a second", with_packets(packets(fps=144)), ["frame_rate"]),
    ("far too much", with_packets(packets(bits_per_second=9e6)), ["bitrate_high"]),
    ("far too little", with_packets(packets(bits_per_second=4e5)), ["bitrate_low"]),
    ("now much, now little", with_packets(jumpy()), ["bitrate_unsteady"]),
    ("a moment only", with_packets(packets(seconds=1.0, gop=100, bits_per_second=9e6)), []),
    ("a single packet", with_packets(packets()[:1]), []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("picture", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_it_finds(picture: Picture | None, expected: list[str]) -> None:
    assert codes(picture) == expected


@pytest.mark.parametrize(
    ("sound", "expected"),
    [
        (None, ["no_audio"]),
        (AAC, []),
        (Sound("aac", 44_100), []),
        (Sound("aac", 22_050), ["audio_sample_rate"]),
        (Sound("mp3", 44_100), ["audio_codec"]),
    ],
)
def test_it_listens_to_the_sound(sound: Sound | None, expected: list[str]) -> None:
    assert codes(GOOD, sound) == expected


def every_finding() -> list[Finding]:
    samples = [Sample(case[1], AAC) for case in CASES]
    samples += [Sample(GOOD, None), Sample(GOOD, Sound("mp3", 22_050))]
    return [finding for sample in samples for finding in lint(sample, RUNGS)]


@pytest.mark.parametrize("finding", every_finding(), ids=lambda finding: finding.code)
def test_advice_is_sentences_that_fit_into_the_record(finding: Finding) -> None:
    assert finding.advice[0].isupper()
    assert finding.advice.endswith(".")
    assert len(finding.advice) <= LONGEST


def test_the_advice_names_what_was_measured_and_what_to_set() -> None:
    [finding] = lint(Sample(with_packets(packets(gop=25 / 3)), AAC), RUNGS)
    assert "every 8.3 s" in finding.advice
    assert "Keyframe Interval to 2 s" in finding.advice
    assert finding.severity == "warning"


def test_one_key_frame_is_no_measure_but_a_bound() -> None:
    [finding] = lint(Sample(with_packets(packets(gop=100)), AAC), RUNGS)
    assert "18 s or less often" in finding.advice


def test_key_frames_that_cost_latency_only_are_a_hint() -> None:
    [finding] = lint(Sample(with_packets(packets(gop=4)), AAC), RUNGS)
    assert (finding.code, finding.severity) == ("key_frames_far_apart", "hint")


def test_warnings_come_before_hints() -> None:
    worse = with_packets(swapped(packets(bits_per_second=9e6)))
    assert codes(worse, None) == ["bitrate_high", "no_audio", "b_frames"]


def test_more_frames_and_more_points_may_take_more() -> None:
    quick = with_packets(packets(fps=60, bits_per_second=6e6))
    large = replace(with_packets(packets(bits_per_second=7e6)), width=2560, height=1440)
    assert codes(quick) == codes(large) == []


def test_a_picture_between_two_rungs_has_a_target_between_theirs() -> None:
    half = replace(with_packets(packets(bits_per_second=1.85e6)), width=960, height=540)
    assert usual_bitrate(half, RUNGS) == pytest.approx(1.85e6)
