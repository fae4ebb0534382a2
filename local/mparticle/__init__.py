"""A fake mParticle on this machine: its Events API, its token endpoint and its Platform API."""
