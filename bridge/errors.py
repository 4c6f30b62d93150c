"""Every error of the bridge, named for what the caller does next.

    BridgeError
    ├── IntakeError                     answered at the door; no case is made
    │   ├── UnauthenticRequestError     401, counted, never explained
    │   ├── UnreadablePayloadError      400, bytes kept
    │   └── UnsupportedEventError       200, counted
    ├── MappingError                    an admin's file: a list of faults with file, line, column, rule id
    ├── CaseMoveError                   a move the table forbids: our bug, loud
    ├── StoreError                      the database cannot be used as it is
    │   ├── NoDatabaseError             there is none yet: a command that reads has nothing to read
    │   ├── StoreBusyError              no read or no write just now: 503 at the door, later elsewhere
    │   │   └── NotPresentError         store.presence: it no longer knows this worker, who signs on anew
    │   └── FolderInUseError            another process runs flows on this folder
    ├── NotWaitingError                 flows.settle: what a person decided on waits for nobody (any more)
    │   └── QuestionChangedError        flows.settle: it waits, but somebody has to see first what for by now
    ├── StillMovingError                flows.forget: a call of this person's is under way: again in a moment
    └── VendorError
        ├── VendorBusyError             429, 5xx on a read, refused connection: again, after its wait
        ├── VendorRefusedError          our request is at fault: park the case, tell a person once
        ├── VendorAuthError             credentials: pause that lane, alert, lose nothing
        ├── VendorGoneError             thread deleted, user blocked us: finish without, note it on the ticket
        └── VendorUnclearError          the call may have happened: look before doing it again

    NotPinnedError                      routing.pin: a case that cannot become a test, and why: for its author
    LeaseLostError                      store.leases: somebody else works on it now: stop, and write nothing
    SettingsError                       stands apart: nothing may swallow it

Those with a module before the colon are defined there, where they are raised.

No error carries a secret or a customer's words: messages name the vendor, the
operation, the status and ids.
"""

from __future__ import annotations

from dataclasses import dataclass


class BridgeError(Exception):
    """Base of everything that the bridge raises on purpose."""


class IntakeError(BridgeError):
    """A request that the door answers itself."""


class UnauthenticRequestError(IntakeError):
    """The request does not prove who sent it. The reason is for our counters only."""


class UnreadablePayloadError(IntakeError):
    """Authentic, but not the shape that this vendor sends."""


class UnsupportedEventError(IntakeError):
    """A known event that the bridge does not want."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing wrong in a mapping file.

    ``line`` and ``column`` count from 1. ``rule`` is a permanent kebab-case id.
    """

    file: str
    line: int
    column: int
    message: str
    rule: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column} {self.message} ({self.rule})"


class MappingError(BridgeError):
    """The mapping files cannot be used. ``faults`` holds every reason, in file order."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = sorted(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class CaseMoveError(BridgeError):
    """The case table forbids this move."""


class StoreError(BridgeError):
    """The database cannot be used as it is; the message says what to do."""


class NoDatabaseError(StoreError):
    """There is no database yet, or nothing in it: no bridge has run on it."""


class StoreBusyError(StoreError):
    """The database cannot be read or written just now."""


class FolderInUseError(StoreError):
    """Another process runs flows on this folder's database."""


class VendorError(BridgeError):
    """A vendor did not do what it was asked.

    ``vendor`` and ``operation`` name the call, ``status`` is the HTTP status where
    there was an answer, ``detail`` is the vendor's own error code or a sentence of
    ours: never a payload.
    """

    def __init__(self, vendor: str, operation: str, detail: str = "", *, status: int | None = None) -> None:
        self.vendor = vendor
        self.operation = operation
        self.detail = detail
        self.status = status
        answer = "" if status is None else f" answered {status}"
        super().__init__(f"{vendor} {operation}{answer}" + (f": {detail}" if detail else ""))


class VendorBusyError(VendorError):
    """Nothing happened; the same call may work after ``retry_after_s`` seconds (None: not said)."""

    def __init__(
        self,
        vendor: str,
        operation: str,
        detail: str = "",
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(vendor, operation, detail, status=status)
        self.retry_after_s = retry_after_s


class VendorRefusedError(VendorError):
    """The vendor will never accept this request as it is."""


class VendorAuthError(VendorError):
    """The credentials do not work."""


class VendorGoneError(VendorError):
    """What we wanted to answer is not there for us any more."""


class VendorUnclearError(VendorError):
    """The call may have happened: a timeout, a reset, a 5xx to a write."""


class SettingsError(Exception):
    """The environment cannot be used. Deliberately no BridgeError: nothing may swallow it."""
