"""How long a response to mParticle may take, for 99 % of the calls."""

ALIAS_MS = 200
"""Milliseconds, when mParticle invokes the alias."""

HTTPS_MS = 100
"""Milliseconds, over HTTPS."""
