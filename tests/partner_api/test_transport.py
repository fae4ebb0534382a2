"""A transfer, whose thread and whose waiting caller must agree whether anything was sent."""

import pytest
from urllib3.connection import HTTPConnection

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration import Retry
from mparticle_firehose.partner_api.transport import OutOfTimeError, Transfer
from tests.partner_api.doubles import Clock

CONNECTION = HTTPConnection("127.0.0.1")


def test_what_was_given_up_is_never_written() -> None:
    transfer = Transfer(Deadline.after(5))

    assert transfer.give_up() == Retry("out_of_time", 0)
    with pytest.raises(OutOfTimeError):
        transfer.write(CONNECTION)
    assert not transfer.is_written


def test_what_is_late_is_not_written() -> None:
    clock = Clock()
    transfer = Transfer(Deadline.after(5, clock), Deadline.after(50, clock))
    clock.now += 5

    with pytest.raises(OutOfTimeError):
        transfer.write(CONNECTION)
    assert transfer.give_up() == Retry("out_of_time", 0)


def test_what_was_written_may_have_been_taken() -> None:
    transfer = Transfer(Deadline.after(5))
    transfer.write(CONNECTION)

    assert transfer.give_up() == Retry("read_timeout")


def test_what_was_refused_and_is_to_go_again_has_not_been_taken() -> None:
    transfer = Transfer(Deadline.after(5))
    transfer.write(CONNECTION)
    transfer.restart(Retry("waits"))

    assert transfer.give_up() == Retry("waits")


def test_the_first_byte_is_told() -> None:
    told: list[str] = []
    transfer = Transfer(Deadline.after(5), on_write=lambda: told.append("written"))
    before = list(told)
    transfer.write(CONNECTION)

    assert (before, told) == ([], ["written"])


def test_a_connection_of_another_call_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    shut_down: list[HTTPConnection] = []
    monkeypatch.setattr("mparticle_firehose.partner_api.transport._shut_down", shut_down.append)
    mine, pooled = Transfer(Deadline.after(5)), Transfer(Deadline.after(5))
    mine.write(CONNECTION)
    pooled.write(CONNECTION)
    pooled.release()

    pooled.give_up()
    before = list(shut_down)
    mine.give_up()

    assert (before, shut_down) == ([], [CONNECTION])
