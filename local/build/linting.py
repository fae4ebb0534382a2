"""`make lint`: linters and security scanners for the template and the code.

``python -m local.build.linting`` runs every tool, also after one has failed, and exits with 1 if any has. There is no
dependency audit: the tools for it report success if their sources return nothing.
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
"""The regions of mParticle's pods. Services differ by region, and so do the rules."""

IGNORED_RULES: Mapping[str, str] = MappingProxyType(
    {
        "W2001": "the transform removes GradualDeployment; tests/deployment checks that each parameter is used",
        "W3011": "functions keep replaced versions, but not themselves; tests/deployment checks what must stay",
    }
)
"""Rules of cfn-lint that are ignored, and why. Those of checkov are ignored at the resource, in the template."""

IGNORED_IN_CODE: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "src": {
            "B105": "names of tokens look like passwords; ruff's S105 checks the same, with a reason at each place"
        },
        "ops": {"B105": "it finds an address for tokens; ruff's S105 checks the same, with a reason at each place"},
        "local": {
            "B101": "assertions state what was checked before",
            "B105": "the local cloud's credentials are dummies",
            "B404": "its purpose is to start programs",
            "B603": "it starts programs of its own environments, without a shell",
        },
    }
)
"""Checks of bandit that are ignored in a folder, and why."""


@dataclass(frozen=True, slots=True)
class Step:
    """One run of a tool.

    Attributes:
        purpose: shown to the user.
        command: exits with 0 if it finds nothing.
    """

    purpose: str
    command: tuple[str | Path, ...]


def steps(template: Path, folder: Path) -> Iterator[Step]:
    """Yield what to run, in order.

    Args:
        template: the template to check.
        folder: for expanded templates.
    """
    yield Step("sam validate", (tool("sam", "sam"), "validate", "--lint", "--template-file", template))
    for region in REGIONS:
        yield _cfn_lint(template, folder, region, GradualDeployment="true")
    yield _cfn_lint(template, folder, REGIONS[0], GradualDeployment="false", HttpEndpoint="http-api", Feed="on")
    yield _cfn_lint(
        template, folder, REGIONS[0], GradualDeployment="true", DeploymentType="AllAtOnce", HttpEndpoint="function-url"
    )
    yield Step(
        "checkov", (tool("lint", "checkov"), "--file", template, "--framework", "cloudformation", "--skip-download",
                    "--compact", "--quiet"),
    )  # fmt: skip
    for name, ignored in IGNORED_IN_CODE.items():
        skipped = ("--skip", ",".join(ignored)) if ignored else ()
        yield Step(f"bandit on {name}", (tool("lint", "bandit"), "--quiet", "--recursive", ROOT / name, *skipped))


def _cfn_lint(template: Path, folder: Path, region: str, **parameters: str) -> Step:
    """Expand the template for a region and parameters, and return the step that lints the result.

    Raises:
        subprocess.CalledProcessError: the translator refuses the template, and has printed why.
    """
    given = [f"{name}={value}" for name, value in parameters.items()]
    target = folder / f"{'-'.join([region, *given])}.json"
    script = Path(__file__).with_name("expand_template.py")
    command: list[str | Path] = [tool("lint", "python"), "-I", script, template, region, *given]
    with target.open("wb") as output:
        subprocess.run(command, check=True, stdout=output, env=build_environment())
    rules = ("--ignore-checks", *IGNORED_RULES)
    purpose = f"cfn-lint after the SAM transform, {', '.join([region, *given])}"
    return Step(purpose, (tool("lint", "cfn-lint"), "--regions", region, *rules, "--", target))


def passes(step: Step) -> bool:
    """Run a step, print its output if it fails, and return whether it succeeded."""
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
    """Run every step, unless the template cannot be expanded: the other steps would report the same."""
    with TemporaryDirectory() as folder:
        try:
            results = [passes(step) for step in steps(ROOT / "template.yaml", Path(folder))]
        except subprocess.CalledProcessError:
            print("✗ the SAM transform", flush=True)
            return 1
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
