"""Delivers the partner's events to mParticle: the function behind the feed's queue. No other function loads it."""
