"""The Lambda functions of this integration: the template names `app.handler`, `app.worker` and `app.feed`."""

from mparticle_firehose.firehose import Firehose
from mparticle_firehose.startup import start
from partner.integration import INTEGRATION

firehose = start(Firehose(INTEGRATION))
handler, worker, feed = firehose.handler, firehose.worker, firehose.feed
