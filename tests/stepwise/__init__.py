"""An integration in many steps, and its fake API."""
