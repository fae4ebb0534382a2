"""The command ``verify``: tries a deployment as mParticle will, and reads what mParticle requires of it."""
