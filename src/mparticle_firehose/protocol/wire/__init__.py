"""The pydantic machinery: reads JSON into the protocol's models, and writes models as JSON."""
