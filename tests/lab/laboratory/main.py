"""Starts everything in its order, says where it is, and ends everything."""

import json
import os
import shutil
import signal
import socket
import sys
import tempfile

from . import certificates, guide, oauth, submission, web
from .accounts import Accounts
from .dovecot import Dovecot
from .postfix import Postfix

PORTS = ["imap", "imaps", "lmtp", "auth", "smtp", "submission", "inside", "filter", "oauth", "oauths"]


def free_ports(names):
    """A port of its own for each name. The system hands them out in turn, so nobody gets them at once."""
    held = []
    for _ in names:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        held.append(listener)
    ports = {name: listener.getsockname()[1] for name, listener in zip(names, held)}
    for listener in held:
        listener.close()
    return ports


class Laboratory:
    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="mailweave-lab-")
        os.chmod(self.directory, 0o755)
        # Whoever has started it by sudo runs a gateway in it.
        os.chown(self.directory, int(os.environ.get("SUDO_UID", -1)), -1)
        self.ports = free_ports(PORTS)
        self.dovecot = Dovecot(self.directory, self.ports)
        self.running = []

    def start(self):
        certificates.make(self.directory)
        accounts = Accounts()
        tokens = oauth.Server(accounts, self.ports)
        self.issuer = tokens.issuer
        self.running.append(web.serve(tokens, accounts, self.dovecot, self.directory, self.ports))
        self.running.append(self.dovecot)
        self.dovecot.start()
        self.running.append(submission.serve(accounts, self.ports))
        postfix = Postfix(self.directory, self.ports)
        self.running.append(postfix)
        postfix.start()

    def stop(self):
        for part in reversed(self.running):
            part.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def description(self):
        ports = {f"{name}_port": port for name, port in self.ports.items()}
        return {"directory": self.directory, "ca": f"{self.directory}/ca.pem", "issuer": self.issuer, **ports}


def main(arguments):
    is_program = "--json" in arguments
    # Debian keeps servers where only root looks for programs.
    os.environ["PATH"] += ":/usr/local/sbin:/usr/sbin:/sbin"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    laboratory = Laboratory()
    try:
        laboratory.start()
        if is_program:
            print(json.dumps(laboratory.description()), flush=True)
            # The program that started us holds the other end, and lets go of it however it ends.
            sys.stdin.buffer.read()
        else:
            guide.prepare(laboratory)
            print(guide.text(laboratory), flush=True)
            signal.pause()
    except KeyboardInterrupt:
        print("\nThe laboratory ends.", file=sys.stderr)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        laboratory.stop()
