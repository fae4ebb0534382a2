"""What commerce events are about. Nothing in these objects is required."""

from typing import Annotated

from pydantic import Field

from mparticle_firehose.protocol.wire.fields import Int, OptionalDecimal, OptionalText, TextMap
from mparticle_firehose.protocol.wire.model import Model
from mparticle_firehose.protocol.wire.unions import NullIs, SkipNull


class Product(Model):
    """A product. Its ``position`` is a number, 0 if unknown; ``quantity`` may be fractional."""

    id: OptionalText = None
    name: OptionalText = None
    brand: OptionalText = None
    category: OptionalText = None
    variant: OptionalText = None
    position: Int = 0
    price: OptionalDecimal = None
    quantity: OptionalDecimal = None
    coupon_code: OptionalText = None
    total_amount: OptionalDecimal = None
    attributes: TextMap = Field(default_factory=dict)


class Promotion(Model):
    """A promotion. Its ``position`` is text, unlike a product's."""

    id: OptionalText = None
    name: OptionalText = None
    creative: OptionalText = None
    position: OptionalText = None


Products = Annotated[tuple[Annotated[Product, SkipNull()], ...], NullIs(())]
Promotions = Annotated[tuple[Annotated[Promotion, SkipNull()], ...], NullIs(())]


class Impression(Model):
    """Products that were shown together in a list."""

    impression_list_name: OptionalText = None
    products: Products = ()


Impressions = Annotated[tuple[Annotated[Impression, SkipNull()], ...], NullIs(())]
