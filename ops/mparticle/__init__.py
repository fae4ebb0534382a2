"""Asks mParticle's Platform API, and compares what it says with the registration. It changes nothing there."""
