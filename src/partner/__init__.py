"""The integration of one partner, Acme Engage: data and pure functions."""
