"""A small integration for the framework's tests: an invented partner that shows each ability once."""
