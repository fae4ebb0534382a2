"""The integration of the invented partner."""
