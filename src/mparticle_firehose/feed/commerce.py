"""What commerce events are about. Amounts are numbers in the event's currency."""

from pydantic import Field

from mparticle_firehose.feed.fields import Amount, Int, KnownWord, ListOf, Text, TextMap, Timestamp, Word
from mparticle_firehose.feed.model import FeedModel
from mparticle_firehose.protocol import ProductActionType, PromotionActionType


class Product(FeedModel):
    """A product. Its attributes are text."""

    id: Text | None = None
    name: Text | None = None
    brand: Text | None = None
    category: Text | None = None
    variant: Text | None = None
    position: Int | None = None
    price: Amount | None = None
    quantity: Amount | None = None
    coupon_code: Text | None = None
    added_to_cart_time_ms: Timestamp | None = None
    total_product_amount: Amount | None = None
    custom_attributes: TextMap = Field(default_factory=dict)


class Promotion(FeedModel):
    """A promotion. Its position is text."""

    id: Text | None = None
    name: Text | None = None
    creative: Text | None = None
    position: Text | None = None


class ProductAction(FeedModel):
    """What was done with products, such as a purchase."""

    action: Word[ProductActionType]
    checkout_step: Int | None = None
    checkout_options: Text | None = None
    product_action_list: Text | None = None
    product_list_source: Text | None = None
    transaction_id: Text | None = None
    affiliation: Text | None = None
    total_amount: Amount | None = None
    tax_amount: Amount | None = None
    shipping_amount: Amount | None = None
    coupon_code: Text | None = None
    products: ListOf[Product] = ()


class PromotionAction(FeedModel):
    """Promotions that were seen or clicked."""

    action: KnownWord[PromotionActionType]
    promotions: ListOf[Promotion] = ()


class ProductImpression(FeedModel):
    """Products that were shown in one list."""

    product_impression_list: Text | None = None
    products: ListOf[Product] = ()


class ShoppingCart(FeedModel):
    """The products in a cart."""

    products: ListOf[Product] = ()
