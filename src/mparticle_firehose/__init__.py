"""An mParticle Firehose integration on AWS Lambda."""
