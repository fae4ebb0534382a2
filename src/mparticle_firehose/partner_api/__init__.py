"""Calls to the partner's API: the HTTP client, the retry policy and the circuit breaker."""
