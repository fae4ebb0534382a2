"""A fake API that cannot refuse a single item."""

from local.partner.fake_api import FakeApi
from tests.sample.fake_api import FakeApi as SampleApi


class _Whole:
    """The sample's API without a way to refuse an item."""

    def __init__(self) -> None:
        sample = SampleApi()
        self.document = sample.document
        self.violations, self.apply, self.summary = sample.violations, sample.apply, sample.summary


def whole_api() -> FakeApi:
    return _Whole()
