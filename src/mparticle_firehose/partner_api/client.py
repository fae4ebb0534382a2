"""The HTTP client: one partner call in, one answer out, or the outcome if there is none. Faults raise nothing."""

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from mparticle_firehose.deadline import Clock, Deadline
from mparticle_firehose.integration import (
    Answer,
    Bearer,
    NetworkFault,
    OAuth2,
    Outcome,
    PartnerCall,
    Rejected,
    Retry,
    Secret,
)
from mparticle_firehose.partner_api.access_tokens import TIMEOUT, AccessTokens
from mparticle_firehose.partner_api.call_threads import CallThreads
from mparticle_firehose.partner_api.deployment_secrets import (
    REFUSED,
    DeploymentSecrets,
    SecretUnavailableError,
    is_the_deployments,
)
from mparticle_firehose.partner_api.encoding import EncodedRequest, Label, UnsendableError, encode
from mparticle_firehose.partner_api.retry_policy import RetryPolicy
from mparticle_firehose.partner_api.sites import Site
from mparticle_firehose.partner_api.transport import (
    UNSENT,
    FaultError,
    OutOfTimeError,
    Transfer,
    Transport,
)

TOKEN_SECONDS = 5.0
"""How long a token endpoint's answer is awaited, even if its call's time is up: it serves the next call."""

LATE_SECONDS = 10.0
"""How long an answer is read on after its call's time is up. It says nothing any more, but the connection is kept."""

_UNAUTHORIZED = 401


class PartnerClient:
    """Makes calls to the partner's sites. Several threads may use it.

    No call is repeated here, save one whose access token is refused: the queues do that.
    """

    def __init__(
        self,
        sites: Mapping[str, Site],
        retry_policy: RetryPolicy,
        secrets: DeploymentSecrets,
        clock: Clock = time.time,
        headers: Mapping[str, Secret] = MappingProxyType({}),
    ) -> None:
        """Take the sites by name. Each is connected with its first call.

        Args:
            sites: as `sites_of` returns them.
            retry_policy: says what a fault means.
            secrets: the deployment's.
            clock: seconds since the epoch, for answers that name a moment.
            headers: of every call. A call's own replace them.
        """
        self._headers = headers
        self._retry_policy = retry_policy
        self._secrets = secrets
        self._transport = Transport(sites, clock)
        self._tokens = AccessTokens(self._fetch_token, retry_policy, secrets)
        self._callers = {name: CallThreads("partner-call") for name in sites}
        self._token_callers = {name: CallThreads("token-request") for name in sites}

    def prepare(self) -> None:
        """Build everything before the first call, without connecting."""
        self._transport.prepare()

    def hang_up(self) -> None:
        """Shut every connection down, also those in use; the next call connects anew."""
        self._transport.hang_up()

    def forget(self) -> None:
        """Forget access tokens and deployment secrets: they may be too old."""
        self._tokens.forget()
        self._secrets.forget()

    def ask(self, call: PartnerCall, deadline: Deadline, *, identity: str, correlation_id: str) -> Answer | Outcome:
        """Make a call and return the answer, whatever its status, at the latest when the deadline has passed.

        Socket timeouts do not cover everything that can take long, such as name resolution, or headers that arrive one
        byte at a time. So a thread makes the exchange. When the time is up and the whole request has been sent, the
        thread reads the answer up to LATE_SECONDS longer, so that the connection serves the next call. Otherwise its
        connection is shut down, or if nothing has been written yet, nothing will be. A call is refused at once, with
        the reason ``dns``, while all threads of its site are stuck in earlier calls.

        Args:
            call: its site and auth are those to use; no site is ``""``.
            deadline: our own. It is always a Retry, because the retry policy judges the partner and the network:
                ``out_of_time`` if the partner has none of the call, else ``read_timeout``.
            identity: what makes two equal calls the same call.
            correlation_id: the requests that the call is part of.

        Returns:
            The answer. Without a usable one, the outcome: by the retry policy's table for a fault of the network;
            Rejected for a value that HTTP or JSON cannot carry; Retry if a secret of the deployment is missing or
            refused; what the token endpoint's answer means.

        Raises:
            IntegrationError: there is no such site.
        """
        self._transport.check_site(call.site or "")
        if isinstance(call.auth, OAuth2):
            self._transport.check_site(call.auth.site)
        if deadline.remaining() <= 0:
            return UNSENT
        transfer = Transfer(deadline, deadline.later(LATE_SECONDS))
        act = partial(self._exchange, call, Label(identity, correlation_id), transfer)
        try:
            return self._callers[call.site or ""].run(act, transfer, until=deadline)
        except FaultError as error:
            return Retry(error.fault.value)
        except (OutOfTimeError, TimeoutError):
            return transfer.leave()

    def _exchange(self, call: PartnerCall, label: Label | None, transfer: Transfer) -> Answer | Outcome:
        try:
            answer = self._authorized(call, label, transfer)
        except OutOfTimeError:
            return transfer.unsent
        except FaultError as error:
            is_ours = error.fault is NetworkFault.READ_TIMEOUT
            return Retry(error.fault.value) if is_ours else self._retry_policy.judge_fault(error.fault)
        except UnsendableError as error:
            return Rejected(error.reason)
        except SecretUnavailableError as error:
            return self._secrets.unavailable(error)
        return self._judged(call, answer) if isinstance(answer, Answer) else answer

    def _authorized(self, call: PartnerCall, label: Label | None, transfer: Transfer) -> Answer | Outcome:
        """Make the call with its credential, and once more if its access token is refused."""
        if not isinstance(call.auth, OAuth2):
            return self._send(call, label, transfer)
        token = self._tokens.token(call.auth, transfer)
        if not isinstance(token, str):
            return token
        answer = self._send(replace(call, auth=Bearer(token)), label, transfer)
        if answer.status != _UNAUTHORIZED:
            return answer
        self._tokens.refuse(call.auth, token)
        transfer.restart(TIMEOUT)
        token = self._tokens.token(call.auth, transfer)
        if not isinstance(token, str):
            return token
        return self._send(replace(call, auth=Bearer(token)), label, transfer)

    def _judged(self, call: PartnerCall, answer: Answer) -> Answer | Outcome:
        """Suspend no customer for a secret of the deployment."""
        is_refused = self._retry_policy.suspends(answer.status) and answer.status not in call.accept
        if not is_refused or not is_the_deployments(call.auth):
            return answer
        self._secrets.refused(f"http_{answer.status}")
        return REFUSED

    def _send(self, call: PartnerCall, label: Label | None, transfer: Transfer) -> Answer:
        return self._transport.send(call.site or "", self._encoded(call, label), transfer)

    def _encoded(self, call: PartnerCall, label: Label | None) -> EncodedRequest:
        return encode(call, self._secrets.reveal, label, self._headers)

    def _fetch_token(self, call: PartnerCall, waiting: Transfer) -> Answer | Outcome:
        """Make a token request for the call of a transfer.

        It begins in that call's time, or never. Its answer may come later: then it is there for the next call.
        """

        def on_write() -> None:
            waiting.unsent = TIMEOUT

        transfer = Transfer(waiting.deadline, waiting.deadline.at_least(TOKEN_SECONDS), on_write)
        try:
            return self._token_callers[call.site or ""].run(partial(self._send, call, None, transfer), transfer)
        except TimeoutError:
            return TIMEOUT
        except FaultError as error:
            is_slow = error.fault is NetworkFault.READ_TIMEOUT
            return TIMEOUT if is_slow else Retry(f"oauth_network_{error.fault}")
