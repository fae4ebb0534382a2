"""Prints what mParticle gets to know of this integration, without AWS: ``make registration``."""

import json

from mparticle_firehose.partner.registration import registration
from mparticle_firehose.protocol import Serializer

if __name__ == "__main__":
    print(json.dumps(Serializer().dump(registration()), indent=2, ensure_ascii=False))
