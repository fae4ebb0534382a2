"""Customer.io: an example of an integration of a real API."""
