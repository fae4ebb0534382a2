"""The Lambda functions of this integration: the template names `app.handler` and `app.worker`."""

from mparticle_firehose.firehose import Firehose
from mparticle_firehose.startup import start
from partner.integration import INTEGRATION

firehose = start(Firehose(INTEGRATION))
handler, worker = firehose.handler, firehose.worker
