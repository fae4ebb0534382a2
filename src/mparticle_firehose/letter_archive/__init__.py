"""The archive of dead letters: objects of S3 that hold letters which SQS would delete. No partner's code is loaded."""
