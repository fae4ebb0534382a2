"""How long letters are kept, which the archive and the ledger must agree on."""

ARCHIVE_DAYS = 30
"""Days for which an archived letter is kept: a month to find out why it was refused, and to decide what becomes of it.

The ledger guards newer changes for as long as letters can come back, which costs more the longer this is; see
docs/performance.md.

A body that is kept in S3 and not in the letter is then at most 54 days old: ten days in a queue, fourteen in the
dead-letter queue, and these. The bucket deletes it after 60.
"""
