"""Serves a partner's fake API on this machine."""
