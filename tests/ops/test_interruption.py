import signal
from collections.abc import Callable

import pytest

from ops.interruption import Interruption
from tests.conftest import Queues
from tests.ops.dead_letter_stand import Bench


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_outside_a_shield_an_interruption_comes_at_once(number: signal.Signals) -> None:
    with Interruption() as interruption, pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)

    assert interruption.signal == number


def test_inside_a_shield_it_waits_for_the_end_of_the_outermost_one() -> None:
    steps: list[str] = []

    def work(interruption: Interruption) -> None:
        with interruption.shield():
            with interruption.shield():
                signal.raise_signal(signal.SIGINT)
                steps.append("inner")
            steps.append("outer")
        steps.append("after")

    with Interruption() as interruption, pytest.raises(KeyboardInterrupt):
        work(interruption)

    assert steps == ["inner", "outer"]


def test_the_second_time_it_comes_at_once() -> None:
    def work(interruption: Interruption) -> None:
        with interruption.shield():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            pytest.fail("it waited")

    with Interruption() as interruption, pytest.raises(KeyboardInterrupt):
        work(interruption)


def test_an_interruption_that_has_come_does_not_come_again_from_a_later_shield() -> None:
    steps: list[str] = []

    def work(interruption: Interruption) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            with interruption.shield():
                steps.append("cleaned up")
            steps.append("and went on")

    with Interruption() as interruption, pytest.raises(KeyboardInterrupt):
        work(interruption)

    assert steps == ["cleaned up", "and went on"]


def test_afterwards_the_handlers_are_those_of_before() -> None:
    def handler(*_: object) -> None:
        """Stand for anybody's."""

    before: Callable[..., object] | int | None = signal.signal(signal.SIGTERM, handler)
    try:
        with Interruption():
            assert signal.getsignal(signal.SIGTERM) is not handler
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_letters_that_were_just_being_received_are_put_back_too(queues: Queues) -> None:
    bench = Bench(queues)
    put = {bench.put("event") for _ in range(3)}

    class Interrupted:
        """An SQS client during whose first receive somebody presses Ctrl-C."""

        def __getattr__(self, name: str) -> object:
            return getattr(queues.sqs, name)

        def receive_message(self, **arguments: object) -> object:
            answer = queues.sqs.receive_message(**arguments)  # type: ignore[arg-type]  # as they came
            signal.raise_signal(signal.SIGINT)
            return answer

    with (
        Interruption() as interruption,
        pytest.raises(KeyboardInterrupt),
        bench.box(sqs=Interrupted(), shield=interruption.shield) as box,
    ):
        list(box.browse())

    assert bench.visible("event") == put
