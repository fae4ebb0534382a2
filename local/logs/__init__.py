"""`make logs`: what the functions have logged and which requests the fake API got, in the order of time."""
