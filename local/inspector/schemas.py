"""The JSON schemas of mParticle's requests, for the page's form."""

from typing import Any, override

from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import PydanticOmit, core_schema

from local.inspector.app import Call
from local.inspector.errors import InspectorError
from mparticle_firehose.protocol import REQUEST_MODELS


def show(call: Call) -> dict[str, Any]:
    """Answer ``GET api/schema/{type}``."""
    model = {str(kind): model for kind, model in REQUEST_MODELS.items()}.get(call.path["type"])
    if model is None:
        raise InspectorError(404, f"There is no such type of request: use one of {', '.join(REQUEST_MODELS)}.")
    return model.model_json_schema(by_alias=True, schema_generator=_Generator)


class _Generator(GenerateJsonSchema):
    """Describes what the models read with functions of their own, as far as that can be described."""

    @override
    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """Describe each model that a ``type`` selects: pydantic takes them for one, since it knows no such types."""
        described = []
        for choice in schema["choices"].values():
            try:
                described.append(self.generate_inner(choice))
            except (PydanticOmit, PydanticInvalidForJsonSchema):
                continue  # null, and what is no object
        return {"oneOf": described}

    @override
    def model_field_schema(self, schema: core_schema.ModelField) -> JsonSchemaValue:
        """Describe a field; one that a function alone reads may be anything."""
        try:
            return super().model_field_schema(schema)
        except PydanticInvalidForJsonSchema:
            return {}
