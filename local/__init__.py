"""The local cloud: the real template in an emulator, a scriptable partner, and the runner behind `make run`."""
