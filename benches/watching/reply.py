"""Reply to event: a reply is on /events hardly later than a bare IDLE client on its mailbox is told of it.

Dovecot itself waits up to half a second before it tells anybody; what is measured is what we add. The clients
and the stream are read by one loop, so that both times are of one clock.
"""
import itertools
import re
import selectors
import socket
import threading
import time

from .servers import PASSWORD, Gateway, mail, quantile

MAILBOXES = 200
IN_TURN_ROUNDS = 2
ROWS, ROW = 40, 5
MEDIAN_MS, LATE_MS = 30, 150
PATIENCE_SECONDS = 60


class Idler:
    """A client that does nothing but IDLE, and when it was told of which count of mails."""

    def __init__(self, port, address):
        self.address, self.told = address, []
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lines = self.socket.makefile("rb")
        self.lines.readline()
        self.ask(f"a LOGIN {address} {PASSWORD}", b"a OK")
        self.count = self.ask("b SELECT INBOX", b"b OK")
        self.ask("c IDLE", b"+ ")

    def ask(self, command, end):
        self.socket.sendall(f"{command}\r\n".encode())
        count = 0
        while not (line := self.lines.readline()).startswith(end):
            if found := re.match(rb"\* (\d+) EXISTS", line):
                count = int(found[1])
        return count

    def read(self, now):
        for count in re.findall(rb"\* (\d+) EXISTS", self.socket.recv(65_536)):
            self.told.append((int(count), now))

    def told_at(self, count):
        return next((at for known, at in self.told if known >= count), None)


class Ears:
    """Hears the idle clients and the stream of events, until all that was sent is heard of."""

    def __init__(self, idlers, stream):
        self.idlers, self.stream = {it.address: it for it in idlers}, stream
        self.filed, self.rest, self.expected = {}, b"", None
        self.selector = selectors.DefaultSelector()
        for idler in idlers:
            self.selector.register(idler.socket, selectors.EVENT_READ, idler)
        self.selector.register(stream, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        while True:
            for key, _ in self.selector.select():
                now = time.perf_counter()
                if key.data:
                    key.data.read(now)
                else:
                    self.read_events(now)

    def read_events(self, now):
        *lines, self.rest = (self.rest + self.stream.recv(1 << 20)).split(b"\n")
        for line in lines:
            if found := re.search(rb'"message_id":"([^"]+)"', line):
                self.filed.setdefault(found[1].decode(), now)

    def wait_for(self, sent):
        """Until every mail was told of twice: to the client, and as an event."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if all(it in self.filed and self.idlers[to].told_at(count) for it, to, count in sent):
                return
            time.sleep(0.05)
        missing = [it for it, _, _ in sent if it not in self.filed]
        raise SystemExit(f"{len(missing)} of {len(sent)} replies are not filed")

    def delays_ms(self, sent):
        return sorted((self.filed[it] - self.idlers[to].told_at(count)) * 1_000 for it, to, count in sent)


class Replies:
    """Delivers replies, each to the thread of its mailbox."""

    def __init__(self, laboratory, idlers):
        self.client = laboratory.lmtp()
        self.laboratory, self.sent, self.numbers = laboratory, [], itertools.count()
        self.counts = {it.address: it.count for it in idlers}

    def deliver(self, address):
        message_id = f"reply-{next(self.numbers)}@customer.test"
        text = mail(message_id, "carl@customer.test", address, [thread_of(address)])
        self.laboratory.deliver(address, text, self.client)
        self.counts[address] += 1
        self.sent.append((message_id, address, self.counts[address]))

    def take(self):
        taken, self.sent = self.sent, []
        return taken


def thread_of(address):
    return f"first.{address}"


def measure(laboratory, asked, report):
    report.title(f"Reply to event: {MAILBOXES} mailboxes watched on Dovecot; the event, less a bare IDLE client's EXISTS")
    addresses = [f"reply{n}@lab.test" for n in range(MAILBOXES)]
    for address in addresses:
        laboratory.make_mailbox(address)
    with Gateway(asked.binary, laboratory.said["ca"]) as gateway:
        imap, smtp = (f"localhost:{laboratory.port(name)}?{how}" for name, how in [("imaps", "tls"), ("submission", "starttls")])
        bcc = gateway.connect_all(addresses, imap, smtp)
        for address in addresses:
            gateway.open_thread(address, "carl@customer.test", thread_of(address), bcc[address])
        # Until every session waits.
        time.sleep(15)
        idlers = [Idler(laboratory.port("imap"), address) for address in addresses]
        ears = Ears(idlers, gateway.events("message.filed"))
        replies = Replies(laboratory, idlers)
        for name, deliver in [("replies in turn, 20 a second", in_turn), (f"rows of {ROW} to one mailbox at once", rows),
                              (f"rows of {ROW} to one mailbox, 100 ms apart", slow_rows)]:
            deliver(replies, addresses)
            tell(report, name, ears, replies)


def in_turn(replies, addresses):
    for address in addresses * IN_TURN_ROUNDS:
        replies.deliver(address)
        time.sleep(0.05)


def rows(replies, addresses, pause=0.0):
    for address in addresses[:ROWS]:
        for _ in range(ROW):
            replies.deliver(address)
            time.sleep(pause)
        time.sleep(0.3)


def slow_rows(replies, addresses):
    rows(replies, addresses[ROWS:], 0.1)


def tell(report, name, ears, replies):
    sent = replies.take()
    ears.wait_for(sent)
    delays = ears.delays_ms(sent)
    median, late = quantile(delays, 0.5), quantile(delays, 0.99)
    report.line(f"{name} ({len(delays)}), median", f"{median:.1f} ms", f"<= {MEDIAN_MS} ms", median <= MEDIAN_MS)
    report.line(f"{name}, 99th percentile", f"{late:.1f} ms", f"<= {LATE_MS} ms", late <= LATE_MS)
