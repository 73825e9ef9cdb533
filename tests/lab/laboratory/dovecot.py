"""Dovecot as a private instance: IMAP for the gateway, LMTP and sign-in for Postfix."""

import imaplib
import os
import subprocess
import time

from . import template
from .accounts import PASSWORD

PATIENCE_SECONDS = 30
# The system users that mailboxes belong to, a hundred; none of them needs an entry anywhere.
FIRST_UID = 61000
# Folders of a mailbox of Exchange's, in English, beside the Inbox.
FOLDERS = ["Sent Items", "Drafts", "Deleted Items", "Junk Email", "Archive"]


class Dovecot:
    def __init__(self, directory, ports):
        self.directory = directory
        self.ports = ports
        self.config = f"{directory}/dovecot.conf"
        self.process = None

    def start(self):
        values = {"directory": self.directory, "password": PASSWORD, **self.ports}
        template.write("dovecot.conf", self.config, values)
        template.write("dovecot-oauth2.conf.ext", f"{self.directory}/dovecot-oauth2.conf.ext", values)
        with open(f"{self.directory}/system_users", "w", encoding="ascii") as file:
            file.writelines(f"{n:02}::{FIRST_UID + n}:65534::/nowhere\n" for n in range(100))
        os.makedirs(f"{self.directory}/mail")
        os.chmod(f"{self.directory}/mail", 0o1777)
        with open(f"{self.directory}/dovecot.err", "wb") as errors:
            self.process = subprocess.Popen(["dovecot", "-F", "-c", self.config], stderr=errors)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self.client("nobody@lab.test").logout()
            except (OSError, imaplib.IMAP4.error):
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise SystemExit(f"Dovecot does not start:\n{self.said()}") from None
                time.sleep(0.05)

    def client(self, address):
        """A client that is signed in as somebody."""
        client = imaplib.IMAP4("127.0.0.1", self.ports["imap"])
        client.login(address, PASSWORD)
        return client

    def make_folders(self, address):
        client = self.client(address)
        for name in FOLDERS:
            client.create(f'"{name}"')
        client.logout()

    def kick(self, address):
        """Ends the sessions of somebody."""
        subprocess.run(["doveadm", "-c", self.config, "kick", address], check=False, capture_output=True)

    def said(self):
        text = ""
        for name in ("dovecot.err", "dovecot.log"):
            if os.path.exists(f"{self.directory}/{name}"):
                with open(f"{self.directory}/{name}", encoding="utf-8", errors="replace") as file:
                    text += file.read()
        return text

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
