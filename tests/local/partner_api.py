"""A small partner's API for the tests of the server that hosts fake APIs: boxes that items are put into."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

DOCUMENT: dict[str, Any] = yaml.safe_load("""
openapi: 3.1.0
info: { title: Boxes, version: "1" }
servers: [{ url: https://api.boxes.example }]
security: [{ token: [] }]
paths:
  /boxes/{box}:
    parameters:
      - { name: box, in: path, required: true, schema: { type: string, maxLength: 9 } }
    put:
      operationId: fill
      parameters:
        - { name: Idempotency-Key, in: header, required: true, schema: { type: string } }
      requestBody: { $ref: "#/components/requestBodies/Items" }
    get:
      operationId: look
      security: [{}]
      parameters:
        - { name: limit, in: query, schema: { type: integer, minimum: 1 } }
  /boxes/all:
    get: { operationId: list, security: [] }
  /by-user:
    post: { operationId: byUser, security: [{ user: [] }] }
  /by-key:
    post: { operationId: byKey, security: [{ key: [] }] }
  /by-either:
    post: { operationId: byEither, security: [{ key: [], user: [] }, { token: [] }] }
  /twice:
    post:
      operationId: again
      requestBody:
        content: { application/vnd.boxes+json: { schema: { type: object } } }
  /labels:
    put:
      operationId: label
      requestBody:
        required: true
        content:
          application/json: { schema: { $ref: "#/components/schemas/Labels" } }
          application/x-ndjson: { schema: { $ref: "#/components/schemas/Labels" } }
  /token:
    servers: [{ url: https://login.boxes.example/oauth }]
    post:
      operationId: token
      security: []
      requestBody:
        required: true
        content:
          application/x-www-form-urlencoded:
            schema:
              type: object
              required: [grant_type, refresh_token]
              properties: { grant_type: { const: refresh_token }, refresh_token: { type: string, minLength: 1 } }
components:
  securitySchemes:
    token: { type: http, scheme: bearer }
    user: { type: http, scheme: basic }
    key: { type: apiKey, in: header, name: Box-Key }
  requestBodies:
    Items:
      required: true
      content:
        application/json:
          schema: { $ref: "#/components/schemas/Items" }
  schemas:
    Labels: { type: array, maxItems: 2, items: { type: string, minLength: 1 } }
    Items:
      type: object
      required: [items]
      additionalProperties: false
      properties:
        items: { type: array, maxItems: 3, items: { $ref: "#/components/schemas/Item" } }
    Item:
      type: object
      required: [name]
      properties:
        name: { type: string, minLength: 1, pattern: "^[a-z]+$" }
        size: { enum: [small, large] }
        weight: { oneOf: [{ type: integer, minimum: 1 }, { type: "null" }] }
""")


class BoxesApi:
    """The boxes, and what the last call was.

    Attributes:
        boxes: the names of the items in each.
        calls: operation and parameters of each call that took effect.
    """

    document: Mapping[str, Any] = DOCUMENT

    def __init__(self) -> None:
        self.boxes: dict[str, list[str]] = {}
        self.calls: list[tuple[str, Mapping[str, str]]] = []

    def violations(self, operation: str, _parameters: Mapping[str, str], body: Any) -> Iterator[str]:
        """Refuse the same name twice in a call."""
        names = [item["name"] for item in body["items"]] if operation == "fill" else []
        if len(set(names)) < len(names):
            yield "items: must not hold the same name twice"

    def apply(self, operation: str, parameters: Mapping[str, str], body: Any) -> tuple[int, Any]:
        """Fill a box, or only keep the call."""
        self.calls.append((operation, parameters))
        if operation != "fill":
            return 204, None
        self.boxes.setdefault(parameters["box"], []).extend(item["name"] for item in body["items"])
        return 201, {"box": parameters["box"]}

    def summary(self) -> dict[str, dict[str, object]]:
        """Return how many items are in each box."""
        return {box: {"items": len(items)} for box, items in self.boxes.items()}
