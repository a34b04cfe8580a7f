"""Key frames, as FFmpeg's framecrc writes them."""

import pytest

from streams.ladder.key_frames import longest_distance, times

HEAD = "#extradata 0: 40, 0x0e300c35\n#tb 0: 1/1000\n#media_type 0: video\n"
NOTED = (
    HEAD
    + "0,      10021,      10021,       33,    27345, 0x1ef3c93e\n"
    + "0,      12021,      12021,       33,    22857, 0xbca4f808\n"
    + "0,      20354,      20354,       33,    24019, 0x856c9c8b\n"
)


def test_it_reads_when_they_come() -> None:
    assert times(NOTED) == pytest.approx([10.021, 12.021, 20.354])


def test_the_longest_distance_is_what_counts() -> None:
    assert longest_distance(NOTED) == pytest.approx(8.333)


def test_a_line_that_is_being_written_is_no_key_frame_yet() -> None:
    assert len(times(NOTED + "0,      2")) == 3


def test_one_key_frame_has_no_distance() -> None:
    assert longest_distance(HEAD + NOTED.splitlines()[3] + "\n") is None
    assert longest_distance("") is None
