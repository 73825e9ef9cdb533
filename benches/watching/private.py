"""Private mail: what is fetched of a mail that is no CRM thread's, counted on the wire in clear."""
import contextlib
import socket
import threading
import time

from .servers import Gateway, mail

ADDRESS = "private@lab.test"
AIM_BYTES = 1_536
SIZES = {"5 KB": (5_000, 40), "5 MB": (5_000_000, 10)}
CHAIN = [f"{'0123456789abcdef' * 4}.{n}@customer.test" for n in range(20)]
PATIENCE_SECONDS = 30


class Counter:
    """Passes connections on to a server, and counts what the server says."""

    def __init__(self, port):
        self.server, self.answered = port, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.server))
            threading.Thread(target=self.go_on, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self.go_on, args=(server, client, True), daemon=True).start()

    def go_on(self, source, target, counts):
        with source, target, contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self.answered += len(data) if counts else 0
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def measure(laboratory, asked, report):
    report.title("Private mail: bytes that the server says for one mail, its References left out")
    laboratory.make_mailbox(ADDRESS)
    counter = Counter(laboratory.port("imap"))
    with Gateway(asked.binary, laboratory.said["ca"]) as gateway:
        gateway.connect(ADDRESS, f"localhost:{counter.port}?plain", f"localhost:{laboratory.port('submission')}?starttls")
        time.sleep(5)
        for size, (bytes_, count) in SIZES.items():
            for name, chain in [("no References", []), ("20 References", CHAIN)]:
                said = sorted(one(laboratory, gateway, counter, chain, bytes_, f"{size[0]}{size[-2]}{n}.{len(chain)}")
                              for n in range(count))
                report.line(f"{size}, {name} ({count} mails), most", f"{said[-1]} bytes", f"<= {AIM_BYTES} bytes",
                            said[-1] <= AIM_BYTES)


def one(laboratory, gateway, counter, chain, size, number):
    """Delivers a mail and waits for its verdict, and for the session to wait again."""
    message_id = f"private-{number}@customer.test"
    before = counter.answered
    laboratory.deliver(ADDRESS, mail(message_id, "mum@family.test", ADDRESS, chain, size))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := gateway.call("GET", f"/verdicts?message_id={message_id}")["items"]):
        if time.monotonic() > deadline:
            raise SystemExit(f"no verdict on {message_id}")
        time.sleep(0.05)
    if found[0]["reason"] != "not_a_crm_thread":
        raise SystemExit(f"the verdict on {message_id} is {found[0]['reason']}")
    time.sleep(0.2)
    return counter.answered - before - sum(len(it) + 3 for it in chain)
