"""Hands the user's settings of pip to uv, which does not read them: a company's index, certificates, a proxy."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "index-url": "UV_DEFAULT_INDEX",
        "extra-index-url": "UV_INDEX",
        "find-links": "UV_FIND_LINKS",
        "no-index": "UV_NO_INDEX",
        "trusted-host": "UV_INSECURE_HOST",
        "cert": "SSL_CERT_FILE",
        "client-cert": "SSL_CLIENT_CERT",
        "proxy": "ALL_PROXY",
        "timeout": "UV_HTTP_TIMEOUT",
        "default-timeout": "UV_HTTP_TIMEOUT",
    }
)
"""Settings of pip and what uv calls them. Constraints do not apply: the locks say what is installed."""

_LISTED = re.compile(r"^(?P<section>[\w:-]+)\.(?P<name>[\w-]+)=(?P<value>'.*'|\".*\")$")
_SECTIONS = ("global", "install", ":env:")  # the later ones win
_ONE_INDEX_PER_BLANK = {"UV_INDEX", "UV_INSECURE_HOST"}
_OF_INDEXES = {"UV_DEFAULT_INDEX", "UV_INDEX", "UV_FIND_LINKS", "UV_NO_INDEX"}
_TABLES_OF_INDEXES = {"index", "index-url", "extra-index-url", "find-links", "no-index"}


def uv_environment(environ: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for uv.

    What is set for uv itself, in the environment or in its own files, is left alone.

    Args:
        environ: of this process.
        settings: of pip, by name.
    """
    told = {NAMES[name]: _spelled(NAMES[name], value) for name, value in settings.items() if name in NAMES}
    if _names_indexes(environ):
        told = {name: value for name, value in told.items() if name not in _OF_INDEXES}
    kept = {name: value for name, value in environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"}}
    # As pip does, take a release from whichever index has it. The hashes say which file it must be.
    return {"UV_INDEX_STRATEGY": "unsafe-best-match", **told, **kept, "UV_PYTHON_DOWNLOADS": "never"}


def pip_settings() -> dict[str, str]:
    """Return what the user's pip would install with, by the name of the setting; nothing if there is no pip."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return read_settings(listed.stdout.splitlines())


def read_settings(lines: Iterable[str]) -> dict[str, str]:
    """Read the output of `pip config list`."""
    found = [match for line in lines if (match := _LISTED.match(line)) and match["section"] in _SECTIONS]
    found.sort(key=lambda match: _SECTIONS.index(match["section"]))
    settings = {match["name"].lower(): str(ast.literal_eval(match["value"])).strip() for match in found}
    return {name: value for name, value in settings.items() if value}


def _spelled(variable: str, value: str) -> str:
    """Separate several values as uv wants them: pip separates all of them by white space."""
    if variable == "UV_FIND_LINKS":
        return ",".join(value.split())
    return " ".join(value.split()) if variable in _ONE_INDEX_PER_BLANK else value


def _names_indexes(environ: Mapping[str, str]) -> bool:
    """Return whether the user has told uv itself where packages are."""
    own_names = {"UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_FIND_LINKS", "UV_NO_INDEX"}
    if own_names & set(environ):
        return True
    home = environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", ""), ".config")
    files = [Path(environ.get("UV_CONFIG_FILE", os.devnull)), Path(home, "uv", "uv.toml"), Path("/etc/uv/uv.toml")]
    return any(map(_has_index, files))


def _has_index(file: Path) -> bool:
    try:
        content = tomllib.loads(file.read_text())
    except (OSError, ValueError):
        return False
    return bool(_TABLES_OF_INDEXES & {*content, *content.get("pip", {})})
