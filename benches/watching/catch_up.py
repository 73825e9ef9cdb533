"""Catch-up: mail that arrived while the gateway was away, beside imaplib, which only fetches its headers."""
import imaplib
import socket
import sqlite3
import ssl
import statistics
import time

from .servers import PASSWORD, Gateway, mail

MAILS, THREADS = 10_000, 100
RATIO = 1.5
WATCHED, PEER = "away@lab.test", "peer@lab.test"
HEADERS = "(UID INTERNALDATE BODY.PEEK[HEADER])"
FIELDS = "(UID INTERNALDATE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID IN-REPLY-TO REFERENCES THREAD-INDEX FROM DATE " \
        "CONTENT-TYPE X-FAILED-RECIPIENTS X-MAILWEAVE-MESSAGE-ID X-MICROSOFT-ORIGINAL-MESSAGE-ID)]<0.16384>)"
APPENDED_AT_ONCE = 200
PATIENCE_SECONDS = 120


def measure(laboratory, asked, report):
    report.title(f"Catch-up: {MAILS} mails arrived while away, {THREADS} of them in CRM threads")
    for address in (WATCHED, PEER):
        laboratory.make_mailbox(address)
    with Gateway(asked.binary, laboratory.said["ca"]) as gateway:
        imap, smtp = (f"localhost:{laboratory.port(name)}?{how}" for name, how in [("imaps", "tls"), ("submission", "starttls")])
        bcc = gateway.connect(WATCHED, imap, smtp)
        for number in range(THREADS):
            gateway.open_thread(WATCHED, "carl@customer.test", f"thread-{number}@lab.test", bcc)
        # Both mailboxes were looked at before, so that Dovecot knows what is asked for.
        for address in (WATCHED, PEER):
            laboratory.deliver(address, mail(f"before@{address}", "mum@family.test", address))
        wait_for_cursor(gateway, 2)
        for items in (HEADERS, FIELDS):
            fetched(laboratory, items)
        gateway.stop()
        for address in (WATCHED, PEER):
            arrive(laboratory, address)
        peer, fields = (statistics.median(fetched(laboratory, it) for _ in range(3)) for it in (HEADERS, FIELDS))
        began = time.monotonic()
        gateway.start()
        filed, settled = wait_for_cursor(gateway, MAILS + 2)
        ours = settled - began
        report.line("imaplib, one session, the header", f"{peer:.2f} s")
        report.line("the same, only the fields that the gateway asks for", f"{fields:.2f} s")
        report.line("from the gateway's start to settled", f"{ours:.2f} s", f"< {RATIO} x {peer:.2f} s", ours < RATIO * peer)
        report.line("CPU seconds of the gateway", f"{gateway.cpu_seconds():.2f} s")
        report.line("replies filed", f"{filed}", f"= {THREADS}", filed == THREADS)


def arrive(laboratory, address):
    """Appends all mails, many commands at once (RFC 7888)."""
    client = socket.create_connection(("127.0.0.1", laboratory.port("imap")))
    lines = client.makefile("rb")
    client.sendall(f"a LOGIN {address} {PASSWORD}\r\n".encode())
    while not lines.readline().startswith(b"a OK"):
        pass
    step = MAILS // THREADS
    for first in range(0, MAILS, APPENDED_AT_ONCE):
        for number in range(first, first + APPENDED_AT_ONCE):
            names = [f"thread-{number // step}@lab.test"] if number % step == step - 1 else []
            text = mail(f"mail-{number}@customer.test", "carl@customer.test", address, names)
            client.sendall(f"m{number} APPEND INBOX {{{len(text)}+}}\r\n{text}\r\n".encode())
        while not (line := lines.readline()).startswith(f"m{first + APPENDED_AT_ONCE - 1} OK".encode()):
            if not line or b" NO " in line or b" BAD " in line:
                raise SystemExit(f"Dovecot answers {line!r}")
    client.close()


def fetched(laboratory, items):
    """How long imaplib takes, with the sign-in, as ours has one."""
    began = time.monotonic()
    context = ssl.create_default_context(cafile=laboratory.said["ca"])
    client = imaplib.IMAP4_SSL("localhost", laboratory.port("imaps"), ssl_context=context)
    client.login(PEER, PASSWORD)
    client.select("INBOX", readonly=True)
    client.uid("FETCH", "1:*", items)
    took = time.monotonic() - began
    client.logout()
    return took


def wait_for_cursor(gateway, uid_next):
    """Until the Inbox is read up to there, as the store has it; how many replies are filed, and when that was."""
    store = sqlite3.connect(f"file:{gateway.directory.name}/data/mailweave.db?mode=ro", uri=True)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        now = time.monotonic()
        row = store.execute("select uid_next from folders where name = 'INBOX'").fetchone()
        if row and row[0] >= uid_next:
            filed = store.execute("select count(*) from verdicts where door = 'imap' and reason = 'filed'").fetchone()[0]
            store.close()
            return filed, now
        if now > deadline:
            raise SystemExit(f"the Inbox is read up to {row}")
        time.sleep(0.01)
