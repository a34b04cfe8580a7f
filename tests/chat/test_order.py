"""The order in which a room's messages are delivered."""

from chat.order import Order
from chat.outbox import Frame

ONE, TWO, THREE, FOUR = (Frame(f"message {n}", str(n)) for n in range(1, 5))


def test_a_message_is_passed_on_once() -> None:
    delivered: list[Frame] = []
    order = Order(delivered.append)
    for frame in (ONE, TWO, ONE):
        order.add(frame)
    assert delivered == [ONE, TWO]


def test_what_was_missed_comes_before_what_was_held() -> None:
    delivered: list[Frame] = []
    order = Order(delivered.append)
    order.add(ONE)
    order.hold()
    order.add(THREE)
    order.add(FOUR)
    order.hold()
    assert delivered == [ONE]
    # The record was read before the fourth was written.
    order.release([ONE, TWO, THREE])
    assert delivered == [ONE, TWO, THREE, FOUR]
    order.add(THREE)
    assert delivered == [ONE, TWO, THREE, FOUR]


def test_what_was_held_goes_on_without_a_record() -> None:
    delivered: list[Frame] = []
    order = Order(delivered.append)
    order.hold()
    order.add(ONE)
    order.release()
    order.release()
    assert delivered == [ONE]
