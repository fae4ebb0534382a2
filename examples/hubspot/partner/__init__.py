"""The integration of HubSpot: contacts, custom events, lists and erasures."""
