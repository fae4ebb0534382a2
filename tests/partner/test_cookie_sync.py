from partner.cookie_sync import cookie_sync


def test_browsers_are_redirected_to_mparticle_only() -> None:
    assert cookie_sync().allowed_hosts == ("cookiesync.mparticle.com",)
