"""The integration of another invented partner, without audiences."""
