"""The chat's wire format."""

import pytest

from chat import events
from chat.events import Ping, Rename, Say, parse
from chat.text import Refusal


@pytest.mark.parametrize(
    ("frame", "command"),
    [
        ('{"type":"message","text":" hi ","new":1}', Say("hi")),
        ('{"type":"rename","name":"Bob"}', Rename("Bob")),
        ('{"type":"ping"}', Ping()),
    ],
)
def test_it_reads_the_commands_and_ignores_unknown_fields(frame, command):
    assert parse(frame) == command


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b'{"type":"ping"}', "binary"),
        ("", "not_json"),
        ("{", "not_json"),
        ("[" * 16_000, "not_json"),
        ("9" * 16_000, "not_json"),
        ("[1]", "not_an_object"),
        ("{}", "unknown_type"),
        ('{"type":["message"]}', "unknown_type"),
        ('{"type":"message"}', "no_text"),
        ('{"type":"message","text":7}', "no_text"),
        ('{"type":"message","text":" "}', "empty"),
        ('{"type":"rename","name":null}', "no_name"),
    ],
)
def test_a_frame_that_cannot_be_obeyed_is_refused_with_a_code_and_a_sentence(frame, code):
    answer = parse(frame)
    assert isinstance(answer, Refusal)
    assert answer.code == code
    assert answer.detail.endswith(".")


def test_a_refusal_says_when_to_try_again_only_if_waiting_helps():
    assert "retry_after" not in events.refused(Refusal("empty", "Nothing."))
    assert events.refused(Refusal("too_fast", "Wait.", 1.5))["retry_after"] == 1.5


def test_texts_go_out_as_they_are():
    event = events.message(id="0", name="Bob", account=False, text='<i>"ä"</i>', at="…")
    assert '"text":"<i>\\"ä\\"</i>"' in events.encode(event)
