"""`verify` against the product in the local cloud: it passes, and a planted fault fails."""

import pytest

from local.cloud.cloud import LocalCloud
from local.cloud.http_endpoint import TOKEN
from local.rooms import Room
from ops.stack import lambda_client
from ops.verify.access import MPARTICLE_ACCOUNTS, check_access
from ops.verify.alias_target import AliasTarget
from ops.verify.arn import FunctionArn
from ops.verify.dead_letters import counting
from ops.verify.failing_partner import Failing, failing_by
from ops.verify.findings import Finding, Result
from ops.verify.https_target import HttpsTarget
from ops.verify.run import Wanted, verify
from tests.sample.server import SamplePartner

pytestmark = pytest.mark.cloud

ROOM = Room.of("tests/sample")
CALLS = 10


def verified(
    cloud: LocalCloud, target: AliasTarget | HttpsTarget, failing: Failing | None = None
) -> dict[Result, list[Finding]]:
    """Return the findings by their result. Before the audience's end the queues are empty, however slow the machine."""
    letters = counting(cloud.aws.client("lambda"), cloud.aws.client("sqs"), cloud.outputs["HandlerAliasArn"])
    wanted = Wanted(
        settings={}, calls=CALLS, settle_seconds=60, sleep=lambda _: cloud.settle(), letters=letters, failing=failing
    )
    done = verify(target, ROOM, wanted, lambda _: None)
    findings = [each for each in done.findings if each.check != "warm latency"]  # which depends on who else is at work
    assert len(findings) == len(done.findings) - 1
    return {result: [each for each in findings if each.result is result] for result in Result}


def test_the_product_passes_by_its_alias(cloud: LocalCloud) -> None:
    arn = cloud.outputs["HandlerAliasArn"]
    client = lambda_client(region=cloud.aws.region, endpoint_url=cloud.aws.endpoint)

    found = verified(cloud, AliasTarget(client, arn, is_local=True))

    assert [each for result in (Result.FAILED, Result.WARNING) for each in found[result]] == []
    assert [each.check for each in found[Result.NOT_CHECKED]] == ["concurrency"]
    assert len(found[Result.OK]) == 21
    assert cloud.dead_letters().total() == 0


def test_the_product_passes_over_https_and_lets_mparticle_repeat_what_the_partner_could_not_take(
    cloud: LocalCloud, inspector_url: str
) -> None:
    target = HttpsTarget(cloud.http_endpoint, TOKEN, is_local=True)

    found = verified(cloud, target, failing_by(inspector_url))
    target.close()

    assert [each for result in (Result.FAILED, Result.WARNING) for each in found[result]] == []
    assert [each.check for each in found[Result.NOT_CHECKED]] == ["TLS"]
    assert len(found[Result.OK]) == 27
    assert cloud.dead_letters().total() == 0


def test_another_account_that_may_invoke_the_alias_is_an_open_door(cloud: LocalCloud) -> None:
    arn = FunctionArn.read(cloud.outputs["HandlerAliasArn"])
    functions = cloud.aws.client("lambda")
    statement = {"FunctionName": arn.name, "Qualifier": arn.qualifier, "StatementId": "planted"}
    functions.add_permission(**statement, Action="lambda:InvokeFunction", Principal="999988887777")

    try:
        found = [*check_access(functions, arn, MPARTICLE_ACCOUNTS)]
    finally:
        functions.remove_permission(**statement)

    assert (found[0].check, found[0].result) == ("who may invoke", Result.FAILED)
    assert found[0].private == "999988887777 by statement planted"
    assert [each.result for each in check_access(functions, arn, MPARTICLE_ACCOUNTS)] == [Result.OK]


def test_the_fake_api_fails_meanwhile_but_what_somebody_else_broke_stays_as_it_is(
    fake_partner: SamplePartner, inspector_url: str
) -> None:
    failing = failing_by(inspector_url)

    with failing() as fails:
        with failing() as fails_again:
            assert (fails, fails_again) == (True, False)
        assert fake_partner.steps_left("")
    assert not fake_partner.steps_left("")
