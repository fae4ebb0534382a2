"""Makes a Postman collection of the OpenAPI document and of the sample requests, for Lambda and for HTTPS.

`examples` reads the requests, `collection` makes the collection of them, and ``python -m local.postman`` writes it.
"""
