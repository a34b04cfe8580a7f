"""The chat's text and name rules."""

import pytest

from chat.text import Refusal, clean_name, clean_text, guest_name

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  hello\tthere \n", "hello there"),
        ("a\x00b\x1b[31mc\x7f", "ab[31mc"),
        ("pay \u202egpj.exe\u202c", "pay gpj.exe"),
        ("in\u200bvisi\u2060ble\ufeff", "invisible"),
        ("a\u200d\u200d\u200db \u200d c", "a\u200db  c"),
        (FAMILY, FAMILY),
        ("a\r\nb\u2028c\n\n \n\n\nd", "a\nb\nc\n\nd"),
        ("Z" + "\u0334" * 50 + "algo", "Z" + "\u0334" * 4 + "algo"),
        ("lone \ud800 surrogate", "lone  surrogate"),
        ("<b>bold</b> & co", "<b>bold</b> & co"),
        ("नमस्ते, שָׁלוֹם, สวัสดี", "नमस्ते, שָׁלוֹם, สวัสดี"),
    ],
)
def test_it_takes_out_what_is_invisible_or_breaks_the_page_and_nothing_else(raw, clean):
    assert clean_text(raw) == clean


@pytest.mark.parametrize("raw", ["", " \n\t", "\u200b\u200d", "\u3164\u2800", "\u0301\u0301"])
def test_a_message_without_anything_to_see_is_refused(raw):
    answer = clean_text(raw)
    assert isinstance(answer, Refusal)
    assert answer.code == "empty"


def test_a_message_may_have_500_characters_and_not_one_more():
    assert clean_text("ä" * 500) == "ä" * 500
    answer = clean_text("ä" * 501)
    assert isinstance(answer, Refusal)
    assert (answer.code, "501" in answer.detail) == ("too_long", True)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [(" Bob  the\nBuilder ", "Bob the Builder"), ("\uff21lice", "Alice"), ("B\u200bob", "Bob")],
)
def test_a_name_is_one_line_of_plain_letters(raw, clean):
    assert clean_name(raw) == clean


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("x", "bad_name"),
        ("x" * 25, "bad_name"),
        ("\ufdfa" * 24, "bad_name"),
        ("...", "bad_name"),
        ("\u202e\u202d", "bad_name"),
        ("Guest-0001", "name_taken"),
    ],
)
def test_a_name_that_is_too_short_too_long_invisible_or_a_guests_is_refused(raw, code):
    answer = clean_name(raw)
    assert isinstance(answer, Refusal)
    assert answer.code == code


def test_a_guest_keeps_the_same_name_and_another_one_has_another():
    assert guest_name("session:a") == guest_name("session:a") != guest_name("session:b")
    assert isinstance(clean_name(guest_name("session:a")), Refusal)
