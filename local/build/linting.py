"""`make lint`: the template and the code, looked at by tools that know common mistakes.

``python -m local.build.linting`` runs every tool, also after one has found something, and exits with 1 if any has.
No dependency audit is among them: none here could tell an empty answer of its sources from a clean one.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from local.isolation import ROOT, build_environment, tool

REGIONS = ("us-east-1", "eu-central-1", "ap-southeast-2")
"""Where mParticle has pods. Services differ by region, and so do the rules."""

UNHEEDED_RULES: Mapping[str, str] = MappingProxyType(
    {
        "W2001": "the transform uses GradualDeployment up; tests/test_template.py checks that each is used",
    }
)
"""Rules of cfn-lint that are not heeded, and why. Those of checkov stand at the resource they are about."""

UNHEEDED_IN_CODE: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "src": {
            "B105": "names of tokens look like passwords; ruff's S105 checks the same, with a reason at each place"
        },
        "ops": {},
        "local": {
            "B101": "the fake partner states what it has checked before",
            "B105": "the local cloud's credentials are dummies",
            "B404": "it starts programs; that is what it is for",
            "B603": "it starts programs of its own environments, never through a shell",
        },
    }
)
"""Checks of bandit that are not heeded in a folder, and why."""


@dataclass(frozen=True, slots=True)
class Step:
    """One look at the project.

    Attributes:
        purpose: what it looks for, in words.
        command: what to run; it succeeds when there is nothing to say.
    """

    purpose: str
    command: tuple[str | Path, ...]


def steps(template: Path, folder: Path) -> Iterator[Step]:
    """Yield what to run, in order.

    Args:
        template: the template to look at.
        folder: where expanded templates may be put.
    """
    yield Step("sam validate", (tool("sam", "sam"), "validate", "--lint", "--template-file", template))
    for region in REGIONS:
        yield _cfn_lint(template, folder, region, GradualDeployment="true")
    yield _cfn_lint(template, folder, REGIONS[0], GradualDeployment="false", HttpEndpoint="http-api")
    yield _cfn_lint(template, folder, REGIONS[0], GradualDeployment="true", HttpEndpoint="function-url")
    yield Step(
        "checkov", (tool("lint", "checkov"), "--file", template, "--framework", "cloudformation", "--skip-download",
                    "--compact", "--quiet"),
    )  # fmt: skip
    for name, unheeded in UNHEEDED_IN_CODE.items():
        skipped = ("--skip", ",".join(unheeded)) if unheeded else ()
        yield Step(f"bandit on {name}", (tool("lint", "bandit"), "--quiet", "--recursive", ROOT / name, *skipped))


def _cfn_lint(template: Path, folder: Path, region: str, **parameters: str) -> Step:
    """Expand the template for a region and some parameters, and return the look at the result.

    Raises:
        subprocess.CalledProcessError: the translator refuses the template, and has said why.
    """
    given = [f"{name}={value}" for name, value in parameters.items()]
    target = folder / f"{'-'.join([region, *given])}.json"
    script = Path(__file__).with_name("expand_template.py")
    command: list[str | Path] = [tool("lint", "python"), "-I", script, template, region, *given]
    with target.open("wb") as output:
        subprocess.run(command, check=True, stdout=output, env=build_environment())
    rules = ("--ignore-checks", *UNHEEDED_RULES)
    purpose = f"cfn-lint after the SAM transform, {', '.join([region, *given])}"
    return Step(purpose, (tool("lint", "cfn-lint"), "--regions", region, *rules, "--", target))


def passes(step: Step) -> bool:
    """Run a step, show what it has to say if it fails, and tell whether it succeeded."""
    started = time.monotonic()
    done = subprocess.run(
        step.command, cwd=ROOT, env=build_environment(), check=False, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    ok = done.returncode == 0
    print(f"{'✓' if ok else '✗'} {step.purpose} ({time.monotonic() - started:.1f} s)", flush=True)
    if not ok:
        print(done.stdout.strip(), flush=True)
    return ok


def main() -> int:
    """Run every step; a template that cannot be expanded ends the run, as the rest would only repeat it."""
    with TemporaryDirectory() as folder:
        try:
            results = [passes(step) for step in steps(ROOT / "template.yaml", Path(folder))]
        except subprocess.CalledProcessError:
            print("✗ the SAM transform", flush=True)
            return 1
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
