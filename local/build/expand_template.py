"""Prints the template after the SAM transform, as JSON.

Run with the interpreter of the lint environment: ``expand_template.py TEMPLATE REGION NAME=VALUE...``.
"""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

# It is installed in the lint environment only.
from samtranslator.translator.transform import transform  # type: ignore[import-not-found]
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-not-found]

UPLOADED = "s3://bucket-of-the-code/key"
"""A placeholder for the code, which the translator requires to be uploaded."""


class NoManagedPolicies:
    """Knows no short names of managed policies: the template has none."""

    def load(self) -> dict[str, str]:
        """Return the policies by name."""
        return {}


def expanded(text: str, region: str, parameters: dict[str, str]) -> dict[str, Any]:
    """Return the template after the transform, which depends on the region and on some parameters."""
    os.environ["AWS_DEFAULT_REGION"] = region
    template = yaml_parse(text)
    template["Globals"]["Function"]["CodeUri"] = UPLOADED
    result: dict[str, Any] = transform(template, parameters, NoManagedPolicies())
    return result


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # about the translator's own metrics
    _, path, region_name, *given = sys.argv
    values = dict(pair.split("=", 1) for pair in given)
    json.dump(expanded(Path(path).read_text(), region_name, values), sys.stdout, indent=1)
