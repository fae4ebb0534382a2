"""Old versions are deleted, and none that traffic may reach."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from rich.console import Console

from ops.__main__ import main
from ops.versions import prune


@dataclass
class LambdaDouble:
    """Has functions with versions, two to a page, and aliases.

    Attributes:
        versions: the last version of each function.
        aliases: of each function, the versions that they point to.
        deleted: in order.
    """

    versions: Mapping[str, int]
    aliases: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    deleted: list[tuple[str, str]] = field(default_factory=list)

    def get_paginator(self, operation: str) -> "_Pages":
        return _Pages(self, operation)

    def delete_function(self, *, FunctionName: str, Qualifier: str) -> None:  # noqa: N803  boto3's names
        self.deleted.append((FunctionName, Qualifier))


@dataclass
class _Pages:
    functions: LambdaDouble
    operation: str

    def paginate(self, *, FunctionName: str) -> Iterator[dict[str, Any]]:  # noqa: N803  boto3's name
        if self.operation == "list_aliases":
            yield {"Aliases": [*self.functions.aliases.get(FunctionName, [])]}
            return
        numbers = ["$LATEST", *map(str, range(1, self.functions.versions[FunctionName] + 1))]
        for first in range(0, len(numbers), 2):
            page = numbers[first : first + 2]
            yield {"Versions": [{"Version": it, "LastModified": "2026-11-20T10:00:00.000+0000"} for it in page]}


def pruned(functions: LambdaDouble, *, keep: int = 5, dry_run: bool = False) -> str:
    """Prune the functions and return what is printed."""
    out = io.StringIO()
    console = Console(file=out, width=160, highlight=False)
    assert prune(cast("Any", functions), functions.versions, console, keep=keep, dry_run=dry_run) == 0
    return out.getvalue()


def test_all_but_the_newest_versions_are_deleted() -> None:
    functions = LambdaDouble({"handler": 7, "worker": 6, "feed": 5})

    printed = pruned(functions)

    assert functions.deleted == [("handler", "2"), ("handler", "1"), ("worker", "1")]
    assert "2026-11-20 10:00" in printed
    assert printed.endswith("3 versions deleted.\n")


def test_a_version_that_an_alias_points_to_stays() -> None:
    functions = LambdaDouble({"handler": 9}, {"handler": [{"Name": "production", "FunctionVersion": "2"}]})

    pruned(functions)

    assert functions.deleted == [("handler", "4"), ("handler", "3"), ("handler", "1")]


def test_a_version_that_gets_a_part_of_the_traffic_stays() -> None:
    release = {"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"3": 0.1}}}
    functions = LambdaDouble({"handler": 9}, {"handler": [release, {"FunctionVersion": "2"}]})

    pruned(functions, keep=1)

    assert [number for _, number in functions.deleted] == ["8", "7", "6", "5", "4"]


def test_a_dry_run_deletes_nothing() -> None:
    functions = LambdaDouble({"handler": 7})

    printed = pruned(functions, dry_run=True)

    assert functions.deleted == []
    assert printed.endswith("2 versions would be deleted. Nothing was changed.\n")


def test_if_there_is_nothing_to_delete_it_says_so() -> None:
    functions = LambdaDouble({"handler": 5, "worker": 1})

    assert pruned(functions) == "Nothing to delete besides the newest 5 versions and what aliases point to.\n"
    assert functions.deleted == []


def test_at_least_one_version_stays(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["versions", "prune", "--keep", "0"])

    assert "1 or more" in capsys.readouterr().err
