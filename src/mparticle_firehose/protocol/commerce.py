"""The products, promotions and impressions of commerce events. Any field may be missing."""

from pydantic import Field

from mparticle_firehose.protocol.wire.fields import Int, ListOf, OptionalDecimal, OptionalText, TextMap
from mparticle_firehose.protocol.wire.model import Model


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


class Impression(Model):
    """The products that were shown in one list."""

    impression_list_name: OptionalText = None
    products: ListOf[Product] = ()
