"""The accounts of the laboratory, and how each is to behave. An account exists once it is named."""

import threading
from dataclasses import asdict, dataclass, field
from typing import Optional

# Every account may also sign in with this password, as at a provider without OAuth.
PASSWORD = "laboratory"


@dataclass
class Account:
    address: str
    # --- OAuth
    access_seconds: int = 3599
    # A used refresh token ends at once. Microsoft's go on (they are only replaced).
    strict_rotation: bool = False
    # Scopes that the user does not grant.
    withheld_scopes: list = field(default_factory=list)
    # Who is signed in at the provider whatever address was asked for.
    signs_in_as: Optional[str] = None
    # What the token endpoint answers instead of a token, so many times (-1: until it is changed).
    fault: Optional[str] = None
    fault_times: int = -1
    # What the consent page comes back with instead of a code.
    consent_error: Optional[str] = None
    # Does the ID token vouch for the address? Microsoft's says nothing of it.
    email_verified: Optional[bool] = None
    # Services whose sign-in is refused: "imap", "smtp".
    closed_services: list = field(default_factory=list)
    # --- mail
    # Outlook.com gives what is sent an id of its own; Exchange Online does not.
    rewrites_ids: bool = False
    saves_sent: bool = True
    sent_folder: str = "Sent Items"
    # The reply to DATA names the id that the mail has.
    names_id: bool = True
    # So long does the client wait for that reply, when everything is done already.
    end_seconds: float = 0
    # --- what happened
    consents: int = 0
    refreshes: int = 0
    revocations: int = 0
    submissions: int = 0


class Accounts:
    def __init__(self):
        self._all = {}
        self._lock = threading.RLock()

    def of(self, address):
        address = address.lower()
        with self._lock:
            return self._all.setdefault(address, Account(address))

    def change(self, address, changes):
        """Sets some of the fields; unknown ones are an error of the test."""
        account = self.of(address)
        with self._lock:
            for name, value in changes.items():
                if not hasattr(account, name):
                    raise ValueError(f"an account has no {name}")
                setattr(account, name, value)
        return asdict(account)

    def count(self, address, what):
        account = self.of(address)
        with self._lock:
            setattr(account, what, getattr(account, what) + 1)

    def take_fault(self, address):
        """The fault that this request to the token endpoint meets."""
        account = self.of(address)
        with self._lock:
            if account.fault is None or account.fault_times == 0:
                return None
            account.fault_times -= 1 if account.fault_times > 0 else 0
            return account.fault
