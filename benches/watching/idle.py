"""Idle cost: what mailboxes cost that are watched over TLS while nothing arrives."""
import time

from .scripted import Scripted
from .servers import Gateway

MEMORY_KB, CPU_PERCENT = 60, 2.0
PATIENCE_SECONDS = 300


def measure(laboratory, asked, report):
    count = asked.mailboxes
    report.title(f"Idle cost: {count} mailboxes, two TLS connections each, to a scripted server")
    with Scripted(laboratory.said["directory"]) as server, Gateway(asked.binary, laboratory.said["ca"]) as gateway:
        time.sleep(3)
        alone = gateway.resident_kb()
        addresses = [f"idle{n}@lab.test" for n in range(count)]
        gateway.connect_all(addresses, f"localhost:{server.imap}?tls", f"localhost:{server.smtp}?tls")
        wait_for_sessions(server, 2 * count)
        connected = gateway.resident_kb()
        gateway.stop()
        # Started anew, it has not the memory of connecting them all, as it has not a day later.
        gateway.start()
        wait_for_sessions(server, 2 * count)
        time.sleep(10)
        before, began = gateway.cpu_seconds(), time.monotonic()
        time.sleep(asked.idle_seconds)
        cpu = (gateway.cpu_seconds() - before) / (time.monotonic() - began) * 100
        each = (gateway.resident_kb() - alone) / count
        report.line("gateway that watches nothing", f"{alone / 1024:.0f} MB resident")
        report.line("memory a mailbox, just connected", f"{(connected - alone) / count:.1f} KB")
        report.line("memory a mailbox, after a restart and a probe of each", f"{each:.1f} KB", f"<= {MEMORY_KB} KB",
                    each <= MEMORY_KB)
        report.line(f"CPU over {asked.idle_seconds} s, of one core", f"{cpu:.2f} %", f"< {CPU_PERCENT:.0f} %", cpu < CPU_PERCENT)


def wait_for_sessions(server, count):
    """Until so many connections to the server are established, by the kernel's table."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (there := established(server.imap)) < count:
        if time.monotonic() > deadline:
            raise SystemExit(f"{there} of {count} sessions came")
        time.sleep(1)


def established(port):
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = (line.split() for line in table)
        return sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)
