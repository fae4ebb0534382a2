"""How Acme Engage takes part in mParticle's cookie sync. Edit `cookie_sync` like a form.

`make cookie-sync-questionnaire` answers mParticle's questions from it.
"""

from mparticle_firehose.cookie_sync import CookieSync

RECEIVE_COOKIE_SYNC_ID = False
"""Whether membership changes are to carry the id that the cookie sync has given mParticle.

Switch it on once mParticle has set the cookie sync up; a permission that customers rely on cannot be taken back.
"""


def cookie_sync() -> CookieSync:
    """Return the partner's side of the cookie sync.

    Raises:
        ConfigurationError: naming every field that is wrong.
    """
    return CookieSync(
        cookie_name="acme_engage_id",
        cookie_days=390,
        macro="${ACME_ENGAGE_ID}",
        days_between_syncs=14,
    )
