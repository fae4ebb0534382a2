"""Calls to the partner's API: the HTTP client, credentials and secrets, the retry policy, and what holds calls back."""
