import signal
from collections.abc import Callable

import pytest

from ops.interrupts import Interrupts
from tests.conftest import Queues
from tests.ops.environment import Environment


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_outside_an_uninterrupted_block_a_signal_is_raised_at_once(number: signal.Signals) -> None:
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)

    assert interrupts.signal == number


def test_inside_it_waits_for_the_end_of_the_outermost_block() -> None:
    steps: list[str] = []

    def work(interrupts: Interrupts) -> None:
        with interrupts.uninterrupted():
            with interrupts.uninterrupted():
                signal.raise_signal(signal.SIGINT)
                steps.append("inner")
            steps.append("outer")
        steps.append("after")

    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        work(interrupts)

    assert steps == ["inner", "outer"]


def test_a_second_signal_is_raised_at_once() -> None:
    def work(interrupts: Interrupts) -> None:
        with interrupts.uninterrupted():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            pytest.fail("it waited")

    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        work(interrupts)


def test_a_signal_that_was_raised_is_not_raised_again_after_a_later_block() -> None:
    steps: list[str] = []

    def work(interrupts: Interrupts) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            with interrupts.uninterrupted():
                steps.append("cleaned up")
            steps.append("and went on")

    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        work(interrupts)

    assert steps == ["cleaned up", "and went on"]


def test_afterwards_the_previous_handlers_are_restored() -> None:
    def handler(*_: object) -> None:
        """Do nothing."""

    before: Callable[..., object] | int | None = signal.signal(signal.SIGTERM, handler)
    try:
        with Interrupts():
            assert signal.getsignal(signal.SIGTERM) is not handler
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_letters_that_are_received_during_a_signal_are_released_too(queues: Queues) -> None:
    env = Environment(queues)
    put = {env.put("event") for _ in range(3)}

    class Interrupted:
        """An SQS client during whose first receive somebody presses Ctrl-C."""

        def __getattr__(self, name: str) -> object:
            return getattr(queues.sqs, name)

        def receive_message(self, **arguments: object) -> object:
            answer = queues.sqs.receive_message(**arguments)  # type: ignore[arg-type]  # as they came
            signal.raise_signal(signal.SIGINT)
            return answer

    with (
        Interrupts() as interrupts,
        pytest.raises(KeyboardInterrupt),
        env.dead_letters(sqs=Interrupted(), uninterrupted=interrupts.uninterrupted) as dead_letters,
    ):
        list(dead_letters.receive())

    assert env.visible("event") == put
