"""What an on-call engineer uses when something is in a dead-letter queue: `python -m ops`. Not deployed."""

import importlib.util
import sys
from pathlib import Path

# The product is not installed, it lies beside; the commands must work without anybody setting PYTHONPATH.
if importlib.util.find_spec("mparticle_firehose") is None:
    sys.path.append(str(Path(__file__).resolve().parent.parent / "src"))
