"""What the figures are taken of: the laboratory, and a gateway that an operator would run beside it."""
import http.client
import imaplib
import json
import os
import re
import resource
import smtplib
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

PASSWORD = "laboratory"
FOLDERS = ["Sent Items", "Drafts", "Deleted Items", "Junk Email", "Archive"]
ADMIN_TOKEN = "the-admin-token-of-the-figures"
CONFIG = """\
data_dir = "data"
[smtp]
listen = ["127.0.0.1:0"]
[http]
listen = "127.0.0.1:0"
admin_token = "{token}"
[tls]
extra_roots = "{roots}"
[outgoing]
allowed_networks = ["127.0.0.0/8", "::1/128"]
[log]
filter = "warn"
"""


class Report:
    """Prints figures beside their aims, and remembers those that miss them."""

    def __init__(self):
        self.missed = []

    def title(self, text):
        print(f"\n{text}", flush=True)

    def line(self, name, measured, aim="", reached=True):
        verdict = "" if not aim else "  reached" if reached else "  MISSED"
        print(f"  {name:<54} {measured:>22}  {aim:<20}{verdict}", flush=True)
        if not reached:
            self.missed.append(name)


class Laboratory:
    """Dovecot, Postfix and the OAuth server of tests/lab."""

    def __init__(self):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    def __enter__(self):
        up = os.path.join(os.path.dirname(__file__), "../../tests/lab/up")
        self.process = subprocess.Popen([up, "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the laboratory does not start; ./test installs what it needs")
        self.said = json.loads(line)
        return self

    def __exit__(self, *_):
        # It ends with its standard input.
        self.process.stdin.close()
        self.process.wait()

    def port(self, name):
        return self.said[f"{name}_port"]

    def imap(self, address):
        client = imaplib.IMAP4("127.0.0.1", self.port("imap"))
        client.login(address, PASSWORD)
        return client

    def make_mailbox(self, address):
        client = self.imap(address)
        for name in FOLDERS:
            client.create(f'"{name}"')
        client.logout()

    def deliver(self, address, mail, lmtp=None):
        """Mail from the world, as Postfix would hand it over."""
        if lmtp:
            return lmtp.sendmail("world@customer.test", [address], mail)
        with smtplib.LMTP("127.0.0.1", self.port("lmtp")) as client:
            return client.sendmail("world@customer.test", [address], mail)

    def lmtp(self):
        return smtplib.LMTP("127.0.0.1", self.port("lmtp"))


class Gateway:
    """The binary, with a throw-away data directory and one sub-account."""

    def __init__(self, binary, roots):
        self.binary = binary
        self.directory = tempfile.TemporaryDirectory(prefix="mailweave-watch-")
        with open(f"{self.directory.name}/config.toml", "w", encoding="ascii") as file:
            file.write(CONFIG.format(token=ADMIN_TOKEN, roots=roots))
        self.process = self.token = None

    def __enter__(self):
        self.start()
        self.token = self.call("POST", "/sub-accounts", {"name": "Figures"}, ADMIN_TOKEN)["api_token"]
        return self

    def __exit__(self, *_):
        self.stop()
        self.directory.cleanup()

    def start(self):
        self.process = subprocess.Popen([self.binary, "serve"], cwd=self.directory.name, stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if line.startswith("ready "):
                self.http, self.smtp = (int(word.rsplit(":", 1)[1]) for word in line.split()[1:3])
                return
        sys.exit("the gateway does not start")

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    def call(self, method, path, body=None, token=None):
        line = http.client.HTTPConnection("127.0.0.1", self.http, timeout=120)
        headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/json"}
        line.request(method, "/api/v1" + path, json.dumps(body) if body else None, headers)
        answer = line.getresponse()
        text = answer.read().decode()
        line.close()
        if answer.status >= 300:
            sys.exit(f"{method} {path} answers {answer.status}: {text}")
        return json.loads(text) if text else None

    def connect(self, address, imap, smtp):
        """A user whose mailbox is connected; their smart BCC address."""
        user = self.call("POST", "/users", {"name": address.split("@")[0], "email": address})
        mailbox = {"user_id": user["id"], "provider": "imap", "address": address, "imap": imap, "smtp": smtp,
                   "username": address, "password": PASSWORD}
        made = self.call("POST", "/mailboxes", mailbox)
        if made["state"] != "active":
            sys.exit(f"{address} is not connected: {made}")
        return user["bcc_address"]

    def connect_all(self, addresses, imap, smtp, at_once=8):
        with ThreadPoolExecutor(at_once) as pool:
            return dict(zip(addresses, pool.map(lambda it: self.connect(it, imap, smtp), addresses)))

    def open_thread(self, sender, customer, message_id, bcc_address, client=None):
        """A thread of the CRM's: a mail to a customer, with the smart BCC address."""
        mail = f"From: {sender}\r\nTo: {customer}\r\nSubject: The offer\r\nMessage-ID: <{message_id}>\r\n" \
               f"Date: {date()}\r\n\r\nHere it is.\r\n"
        if client:
            return client.sendmail(sender, [bcc_address], mail)
        with smtplib.SMTP("127.0.0.1", self.smtp) as one:
            return one.sendmail(sender, [bcc_address], mail)

    def events(self, event_type):
        """A socket with the stream of events of a type. HTTP/1.0: what comes is events and nothing between."""
        stream = socket.create_connection(("127.0.0.1", self.http))
        stream.sendall(f"GET /api/v1/events?types={event_type} HTTP/1.0\r\nAccept: text/event-stream\r\n"
                       f"Authorization: Bearer {self.token}\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += stream.recv(1)
        if b" 200 " not in head:
            sys.exit(f"the stream of events answers {head!r}")
        return stream

    def resident_kb(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def date():
    return time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())


def mail(message_id, sender, to, references=(), size=5_000):
    """A mail with the header that a mail from the internet has, about 2 KB of it, and a text up to `size`."""
    way = "".join(
        f"Received: from relay{n}.customer.test (relay{n}.customer.test [192.0.2.{n}])\r\n"
        f"\tby mx{n}.lab.test (Postfix) with ESMTPS id 4Xq{n}Tz0rTqz9sWL\r\n\tfor <{to}>; {date()}\r\n"
        for n in range(1, 5))
    signature = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=customer.test; s=selector1;\r\n\tb=" \
                + "\r\n\t ".join("x" * 64 for _ in range(6)) + "\r\n"
    names = f"In-Reply-To: <{references[-1]}>\r\nReferences: {' '.join(f'<{it}>' for it in references)}\r\n" \
        if references else ""
    head = f"{way}{signature}From: World <{sender}>\r\nTo: {to}\r\nSubject: About the offer\r\nDate: {date()}\r\n" \
           f"Message-ID: <{message_id}>\r\n{names}MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    line = "All human beings are born free and equal in dignity and rights, and should act so.\r\n"
    return head + line * max(1, (size - len(head)) // len(line))


def quantile(sorted_values, share):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]
