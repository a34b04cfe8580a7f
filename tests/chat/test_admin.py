"""Chat's messages in the admin."""

import pytest
from django.urls import reverse

from chat.models import Message
from streams.models import Stream


@pytest.fixture
def message(db):
    stream = Stream.objects.create(name="stream")
    return Message.objects.create(stream=stream, name="bob", text="<b>hello</b>")


def test_an_admin_finds_messages_by_text_and_sees_them_escaped(admin_client, message):
    url = reverse("admin:chat_message_changelist")
    assert "&lt;b&gt;hello" in admin_client.get(url, {"q": "hello"}).content.decode()
    assert "hello&lt;" not in admin_client.get(url, {"q": "bye"}).content.decode()


def test_an_admin_reads_a_message_and_cannot_change_or_add_one(admin_client, message):
    url = reverse("admin:chat_message_change", args=[message.pk])
    assert admin_client.get(url).status_code == 200
    assert admin_client.post(url, {"text": "other"}).status_code == 403
    assert admin_client.get(reverse("admin:chat_message_add")).status_code == 403


def test_an_admin_deletes_the_chosen_messages(admin_client, message):
    url = reverse("admin:chat_message_changelist")
    chosen = {"action": "delete_selected", "_selected_action": [message.pk], "post": "yes"}
    admin_client.post(url, chosen)
    assert not Message.objects.exists()


def test_the_list_costs_the_same_for_many_messages(
    admin_client, message, django_assert_max_num_queries
):
    for _ in range(20):
        Message.objects.create(stream=message.stream, name="bob", text="again")
    with django_assert_max_num_queries(8):
        admin_client.get(reverse("admin:chat_message_changelist"))
