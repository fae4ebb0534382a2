"""The integration of Braze: events, user attributes, audiences and erasures."""
