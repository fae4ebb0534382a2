"""The HTTPS door: the same requests and the same processors, behind an adapter, and the cookie sync beside them."""
