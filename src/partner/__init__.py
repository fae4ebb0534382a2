"""The room that an integrator edits: what the integration declares, and pure mappings to the partner's calls."""
