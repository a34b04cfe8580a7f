from pathlib import Path

from streams.supervisor.progress import SpeedMeter, parse, read

BLOCK = "frame=60\nfps=29.97\nout_time_us=2000000\nspeed=1x\nprogress=continue\n"


def test_it_reads_the_newest_whole_block() -> None:
    newest = BLOCK.replace("2000000", "3000000")
    found = parse(BLOCK + newest + "frame=120\nout_time_us=99")
    assert found is not None
    assert (found.out_time, found.fps, found.ended) == (3.0, 29.97, False)


def test_it_does_not_trust_a_verdict_without_its_line_end() -> None:
    found = parse(BLOCK + BLOCK.replace("2000000", "3000000").rstrip("\n"))
    assert found is not None
    assert found.out_time == 2.0


def test_it_knows_the_end() -> None:
    found = parse(BLOCK + BLOCK.replace("continue", "end"))
    assert found is not None
    assert found.ended


def test_nothing_written_yet_is_no_progress() -> None:
    assert parse("frame=1\n") is None
    assert parse("progress=contin") is None


def test_a_time_ffmpeg_does_not_know_yet_counts_as_none() -> None:
    found = parse("out_time_us=N/A\nfps=0.00\nprogress=continue\n")
    assert found is not None
    assert found.out_time == 0.0


def test_it_reads_only_the_tail_of_a_long_file(tmp_path: Path) -> None:
    file = tmp_path / "progress.txt"
    file.write_text(BLOCK * 5000 + BLOCK.replace("2000000", "7000000"))
    found = read(file)
    assert found is not None
    assert found.out_time == 7.0


def test_a_missing_file_is_no_progress(tmp_path: Path) -> None:
    assert read(tmp_path / "progress.txt") is None


def test_speed_is_measured_over_the_last_twenty_seconds() -> None:
    meter = SpeedMeter()
    for second in range(60):  # a fast start, then slower than real time
        meter.add(float(second), min(2.0 * second, 40 + 0.5 * second))
    assert meter.speed is not None
    assert abs(meter.speed - 0.5) < 0.01


def test_after_a_gap_the_speed_is_measured_anew() -> None:
    """A page of the ingest that was away: its figures would cover another span than FFmpeg's."""
    meter = SpeedMeter()
    for second in [*range(40), *range(100, 118)]:
        meter.add(float(second), 10 + 0.85 * second)
        known = meter.settled_speed
        assert (known is None) == (second < 19 or second >= 100)
    for second in range(118, 125):
        meter.add(float(second), 10 + 0.85 * second)
    assert meter.settled_speed is not None


def test_media_time_that_stands_still_is_no_movement() -> None:
    meter = SpeedMeter()
    meter.add(1.0, 5.0)
    meter.add(2.0, 5.0)
    assert meter.moved_at == 1.0


def test_what_was_written_does_not_count_from_zero() -> None:
    meter = SpeedMeter()
    for now, out_time in ((1.0, 0.0), (2.0, 10.5), (3.0, 11.5), (4.0, 12.5)):
        meter.add(now, out_time)
    assert meter.written == 2.0
