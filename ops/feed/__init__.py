"""Checks the partner's own events against its feed, and sends them to mParticle from an operator's machine."""
