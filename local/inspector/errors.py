"""What the inspector's page is told when something cannot be done."""


class InspectorError(Exception):
    """A request of the page's is refused; the message is the sentence that the page shows.

    Attributes:
        status: the HTTP status: 400 unusable, 404 unknown, 409 not now, 502 the local cloud did not do it.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def unusable(sentence: str) -> InspectorError:
    """Return what refuses unusable input."""
    return InspectorError(400, sentence)
