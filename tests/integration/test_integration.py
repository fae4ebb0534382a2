from dataclasses import replace
from typing import Any

import pytest

from mparticle_firehose.errors import RegistrationError
from mparticle_firehose.integration import Integration
from tests.sample.partner.integration import INTEGRATION
from tests.second.partner.integration import INTEGRATION as WITHOUT_AUDIENCES


@pytest.mark.parametrize("integration", [INTEGRATION, WITHOUT_AUDIENCES], ids=["complete", "without audiences"])
def test_each_declaration_is_a_message_of_its_own(integration: Integration) -> None:
    first, second = integration.declaration(), integration.declaration()

    assert first.id != second.id
    assert first.name == second.name == integration.registration().name


@pytest.mark.parametrize("part", ["events", "audiences", "erasures"])
def test_what_the_registration_declares_must_be_offered(part: str) -> None:
    nothing: Any = {part: None}
    without = replace(INTEGRATION, **nothing)

    with pytest.raises(RegistrationError, match=f"^{part}: the registration declares them"):
        without.declaration()


def test_what_is_offered_must_be_declared() -> None:
    more = replace(WITHOUT_AUDIENCES, audiences=INTEGRATION.audiences)

    with pytest.raises(RegistrationError, match=r"^audiences: the integration offers them"):
        more.declaration()
