"""How long a vendor's room waits in place: for seconds, and for nothing but what is safe to repeat.

Everything that has to wait longer waits in the database, where it survives a crash.
"""

from __future__ import annotations

from collections.abc import Callable

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from bridge.errors import VendorBusyError

ATTEMPTS = 4
LONGEST_WAIT_S = 4.0
BUDGET_S = 5.0
"""No attempt is begun later than this after the first."""


def again(sleep: Callable[[float], None]) -> Retrying:
    """A caller for reads: ``again(time.sleep)(read, …)`` repeats *read* while the vendor is busy.

    It waits as long as the vendor asks for, or a short random time that grows. Raises
    the VendorBusyError of the last attempt, or at once when the vendor asks for more
    than LONGEST_WAIT_S; any other error passes through.
    """
    return Retrying(
        stop=stop_after_attempt(ATTEMPTS) | stop_after_delay(BUDGET_S),
        wait=_wait_s,
        retry=retry_if_exception(_is_worth_waiting_for),
        sleep=sleep,
        reraise=True,
    )


def _is_worth_waiting_for(error: BaseException) -> bool:
    return isinstance(error, VendorBusyError) and (error.retry_after_s or 0.0) <= LONGEST_WAIT_S


_backoff = wait_random_exponential(multiplier=0.5, max=LONGEST_WAIT_S)


def _wait_s(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_s if isinstance(error, VendorBusyError) else None
    return _backoff(state) if asked is None else asked
