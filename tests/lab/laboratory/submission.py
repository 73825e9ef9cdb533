"""What Exchange does with mail that is submitted, between Postfix and Postfix (smtpd_proxy_filter): it
may give the mail an id of its own, files a copy in the sender's folder of sent mail, and names the id in
the reply to DATA. The reply reaches the client as it is said here."""

import imaplib
import re
import secrets
import smtplib
import socketserver
import sys
import threading
import time

from .accounts import PASSWORD

MESSAGE_ID = re.compile(rb"^message-id:[ \t]*((?:[^\r\n]|\r?\n[ \t])*)\r?\n", re.IGNORECASE | re.MULTILINE)


class Session(socketserver.StreamRequestHandler):
    """One connection of Postfix': as much of RFC 5321 as it speaks here."""

    # Set by `serve`.
    accounts = ports = folders = None
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.inside = None
        self.sender, self.options, self.recipients = "", [], []

    def handle(self):
        self.say("220 filter.lab.test ESMTP")
        while line := self.rfile.readline():
            verb, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            verb = verb.upper()
            if verb == "QUIT":
                return self.say("221 2.0.0 Bye")
            self.command(verb, rest)

    def finish(self):
        if self.inside is not None:
            self.inside.close()
        super().finish()

    def command(self, verb, rest):
        if verb == "EHLO":
            for line in ("filter.lab.test", "8BITMIME", "SMTPUTF8", "SIZE"):
                self.say(f"250-{line}")
            self.say("250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE")
        elif verb == "MAIL":
            self.sender, self.options = path(rest)
            self.recipients = []
            self.say("250 2.1.0 Ok")
        elif verb == "RCPT":
            self.recipients.append(path(rest)[0])
            self.say("250 2.1.5 Ok")
        elif verb == "DATA":
            self.say("354 End data with <CR><LF>.<CR><LF>")
            content = self.content()
            if content is not None:
                self.say(self.submit(content))
        else:
            self.say("250 2.0.0 Ok")

    def content(self):
        lines = []
        while line := self.rfile.readline():
            if line == b".\r\n":
                return b"".join(lines)
            lines.append(line[1:] if line.startswith(b".") else line)
        # Cut before its end: it was never sent.
        return None

    def submit(self, content):
        account = self.accounts.of(self.sender)
        content, message_id = with_id(content, account.rewrites_ids)
        try:
            if self.inside is None:
                self.inside = smtplib.SMTP("127.0.0.1", self.ports["inside"], timeout=60)
            options = [option for option in self.options if not option.upper().startswith("SIZE")]
            self.inside.sendmail(self.sender, self.recipients, content, options)
        except smtplib.SMTPException as error:
            return f"451 4.3.0 {type(error).__name__}"
        self.accounts.count(self.sender, "submissions")
        if account.saves_sent:
            self.folders.file(self.sender, account.sent_folder, content)
        time.sleep(account.end_seconds)
        if not account.names_id:
            return "250 2.0.0 OK"
        host = "LAB0PR01MB0001.labprd01.prod.outlook.com"
        return f"250 2.0.0 OK <{message_id}> [Hostname={host}]"

    def say(self, line):
        self.wfile.write(f"{line}\r\n".encode())


class SentFolders:
    """Files copies in folders of sent mail, with one connection for each sender."""

    def __init__(self, ports):
        self.port = ports["imap"]
        self.lock = threading.Lock()
        self.clients = {}

    def file(self, address, folder, content):
        with self.lock:
            client, own = self.clients.setdefault(address, ([None], threading.Lock()))
        with own:
            for _ in range(2):
                try:
                    if client[0] is None:
                        client[0] = imaplib.IMAP4("127.0.0.1", self.port)
                        client[0].login(address, PASSWORD)
                    return append(client[0], folder, content)
                except (OSError, imaplib.IMAP4.abort):
                    client[0] = None


def append(client, folder, content):
    quoted = '"' + folder.replace("\\", "\\\\").replace('"', '\\"') + '"'
    now = imaplib.Time2Internaldate(time.time())
    status, _ = client.append(quoted, "(\\Seen)", now, content)
    if status != "OK":
        client.create(quoted)
        client.append(quoted, "(\\Seen)", now, content)


def with_id(content, is_rewritten):
    """The mail as it goes on, and its id."""
    head, separator, body = content.partition(b"\r\n\r\n")
    head += b"\r\n"
    found = MESSAGE_ID.search(head)
    former = found.group(1).strip().decode("utf-8", "replace").strip("<>") if found else None
    if former and not is_rewritten:
        return content, former
    given = f"LAB{secrets.token_hex(16).upper()}@LAB0PR01MB0001.labprd01.prod.outlook.com"
    fields = f"Message-ID: <{given}>\r\n"
    if former:
        head = head[: found.start()] + head[found.end():]
        fields += f"X-Microsoft-Original-Message-ID: <{former}>\r\n"
    return fields.encode() + head + (separator[2:] or b"\r\n") + body, given


def path(text):
    """The address of `FROM:<address> OPTIONS`, in small letters, and the options."""
    start, end = text.find("<"), text.rfind(">")
    return text[start + 1:end].lower(), text[end + 1:].split()


class Filter(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def stop(self):
        self.shutdown()

    def handle_error(self, request, client_address):
        # Clients that are killed, or that do not trust us, are what tests are made of.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def serve(accounts, ports):
    values = {"accounts": accounts, "ports": ports, "folders": SentFolders(ports)}
    server = Filter(("127.0.0.1", ports["filter"]), type("Here", (Session,), values))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
