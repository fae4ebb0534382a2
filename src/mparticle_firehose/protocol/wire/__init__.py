"""The pydantic machinery: how JSON becomes the protocol's models, and how they become JSON again."""
