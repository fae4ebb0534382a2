"""The tests of the examples run under the same search for secrets and personal values in their output as all others."""

pytest_plugins = ["tests.canaries"]
