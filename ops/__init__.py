"""Commands for operators, with `python -m ops`: dead letters, mParticle's module, the feed, versions. Not deployed."""

import importlib.util
import sys
from pathlib import Path

# The product is not installed: the commands find it in src/ without a PYTHONPATH.
if importlib.util.find_spec("mparticle_firehose") is None:
    sys.path.append(str(Path(__file__).resolve().parent.parent / "src"))
