"""Runs MiniStack until the process that started it has ended.

Executed by MiniStack's own interpreter, with a folder as argument, and perhaps the descriptor of a pipe on which is
reported what its queues and functions do, see ministack_observer.py. Standard input is a pipe that the starting
process holds open without writing to it. The pipe closes when that process ends in any way. Then the emulator is
killed, with the functions that it runs, and the folder is removed.

Web pages are kept away from it, see ministack_gate.py.

Three things that AWS accepts in a template are corrected before the emulator sees them (MiniStack 1.5.33):

- It keeps a parameter's number as text in an event source mapping. Its poller then compares a number with a text and
  fails, and no message of any queue is delivered.
- It refuses alarms that calculate, and with them the whole stack. Such an alarm watches its first metric instead.
- It refuses composite alarms and saved queries, which it does not have. They get a name, and nothing else.
"""

import importlib.util
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

type Properties = dict[str, Any]
type Correction = Callable[[Properties], Properties]

_NUMBERS = ("BatchSize", "MaximumBatchingWindowInSeconds", "MaximumConcurrency")


def with_numbers(mapping: Properties) -> Properties:
    """Return an event source mapping with numbers where it has texts of numbers."""
    numbers = {name: int(value) for name, value in mapping.items() if name in _NUMBERS}
    nested = {name: with_numbers(value) for name, value in mapping.items() if name == "ScalingConfig"}
    return {**mapping, **numbers, **nested}


def with_one_metric(alarm: Properties) -> Properties:
    """Return an alarm that watches its first metric, if it calculates with several."""
    if "Metrics" not in alarm:
        return alarm
    first = next(entry["MetricStat"] for entry in alarm["Metrics"] if "MetricStat" in entry)
    rest = {name: value for name, value in alarm.items() if name != "Metrics"}
    return {**rest, **first["Metric"], "Period": first["Period"], "Statistic": first["Stat"]}


def corrected(handlers: Mapping[str, Any], correct: Correction) -> dict[str, Any]:
    """Return the functions that create and update one type of resource, called with corrected properties.

    Args:
        handlers: by action. The create function gets the properties as its second argument, the update function the
            old and the new ones as its second and third.
        correct: the correction.
    """

    def create(logical_id: str, properties: Properties, *rest: Any) -> Any:
        return handlers["create"](logical_id, correct(properties), *rest)

    def update(physical_id: str, old: Properties, new: Properties, *rest: Any, **more: Any) -> Any:
        return handlers["update"](physical_id, correct(old), correct(new), *rest, **more)

    return {**handlers, "create": create, "update": update}


def named(property_name: str) -> dict[str, Any]:
    """Return the functions that create, update and delete a resource of a type that the emulator does not have.

    Args:
        property_name: of its name, which is its physical id too.
    """

    def create(_logical_id: str, properties: Properties, _stack: str) -> tuple[str, Properties]:
        name = properties[property_name]
        return name, {"Arn": f"arn:aws:none:::{name}"}

    def update(_physical_id: str, _old: Properties, new: Properties, stack: str) -> tuple[str, Properties]:
        return create("", new, stack)

    def delete(_physical_id: str, _properties: Properties) -> None:
        """There is nothing to delete."""

    return {"create": create, "update": update, "delete": delete}


def _correct_templates() -> None:
    from ministack.services.cloudformation import provisioners  # type: ignore[import-not-found] # noqa: PLC0415  as below

    handlers = provisioners._RESOURCE_HANDLERS  # noqa: SLF001  there is no public way
    for kind, correct in {
        "AWS::Lambda::EventSourceMapping": with_numbers,
        "AWS::CloudWatch::Alarm": with_one_metric,
    }.items():
        handlers[kind] = corrected(handlers[kind], correct)
    handlers["AWS::CloudWatch::CompositeAlarm"] = named("AlarmName")
    handlers["AWS::Logs::QueryDefinition"] = named("Name")


def _keep_pages_away() -> None:
    from ministack import app  # type: ignore[import-not-found] # noqa: PLC0415  as below

    app.app = _neighbour("ministack_gate").guarded(app.app)


def _report_to(descriptor: int) -> None:
    from ministack.services import lambda_svc, sqs  # type: ignore[import-not-found] # noqa: PLC0415  as below

    observer = _neighbour("ministack_observer")
    observer.observe(observer.Pipe(descriptor).report, sqs, lambda_svc)


def _neighbour(name: str) -> Any:
    """Load a module of this folder: the interpreter runs isolated, and does not look for modules here."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018  the file is there
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _end_with_parent(home: str) -> None:
    sys.stdin.buffer.read()
    shutil.rmtree(home, ignore_errors=True)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    folder, *descriptors = sys.argv[1:]
    del sys.argv[1:]
    threading.Thread(target=_end_with_parent, args=[folder], daemon=True).start()
    # It is installed in its own environment only. The import is slow, and the thread must run before.
    from ministack.app import main  # type: ignore[import-not-found]

    _correct_templates()
    _keep_pages_away()
    for each in descriptors:
        _report_to(int(each))
    main()
