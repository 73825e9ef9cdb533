#!/usr/bin/env python3
"""Rows A28 and A29 of the attacks as they are written; the suite runs them with shrunk limits.

    tests/slow_and_many.py target/release/mailweave              an hour (A28), then a minute (A29)
    tests/slow_and_many.py target/release/mailweave --minutes 2

A28: 500 connections send one byte each 9 seconds, in greeting, command, content and TLS handshake; an
honest client gets its mail in within 5 seconds, all the time. A29: 10,000 connections from one address,
then from 200 addresses of this machine; the gateway turns the rest away, and goes on.
"""
import argparse, os, re, socket, subprocess, sys, tempfile, time

BYTES = {
    "greeting": b"",
    "command": b"EHLO slow.example.and.so.on" * 40,
    "content": b"Subject: slow\r\n\r\n" + b"x" * 4096,
    "handshake": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 512,
}


def start(program, place):
    environment = {
        "MAILWEAVE_SMTP__LISTEN": "0.0.0.0:0",
        "MAILWEAVE_HTTP__LISTEN": "127.0.0.1:0",
        "MAILWEAVE_SMTP__LIMITS__CONNECTIONS_PER_IP": "600",
        "MAILWEAVE_LOG__FILTER": "warn",
    }
    process = subprocess.Popen([program, "serve"], cwd=place, stdout=subprocess.PIPE, text=True,
                               env={**os.environ, **environment})
    address = None
    for line in process.stdout:
        if found := re.search(r"Smart BCC address\s+(\S+)", line):
            address = found[1]
        if found := re.match(r"ready http=\S+ smtp=\S+:(\d+)", line):
            return process, int(found[1]), address
    sys.exit("the gateway did not start")


def reply(lines):
    while (line := lines.readline())[3:4] == b"-":
        pass
    return line


def honest(port, address, number, source="127.0.0.9"):
    """Sends a mail; how long it took, or why it did not go."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(source, 0)) as client:
        lines = client.makefile("rb")
        if (greeting := reply(lines))[:3] != b"220":
            return greeting.decode()
        mail = f"From: you@example.com\r\nTo: ann@customer.example\r\nMessage-ID: <{number}@x>\r\n\r\nHi\r\n."
        for line in ["EHLO honest.example", "MAIL FROM:<you@example.com>", f"RCPT TO:<{address}>", "DATA", mail]:
            client.sendall(line.encode() + b"\r\n")
            if (answer := reply(lines))[:1] not in b"23":
                return answer.decode()
    return time.monotonic() - began


def prepare(port, kind, address):
    client = socket.create_connection(("127.0.0.1", port), timeout=60)
    lines = client.makefile("rb")
    reply(lines)
    before = {
        "content": ["EHLO slow", "MAIL FROM:<you@example.com>", f"RCPT TO:<{address}>", "DATA"],
        "handshake": ["EHLO slow", "STARTTLS"],
    }
    for line in before.get(kind, []):
        client.sendall(line.encode() + b"\r\n")
        reply(lines)
    return client


def slow(port, address, minutes):
    kinds = list(BYTES)
    clients = [(kinds[n % 4], prepare(port, kinds[n % 4], address)) for n in range(500)]
    worst, closed, end, step = 0.0, set(), time.monotonic() + minutes * 60, 0
    while time.monotonic() < end:
        for place, (kind, client) in enumerate(clients):
            try:
                client.sendall(BYTES[kind][step % 400 : step % 400 + 1])
            except OSError:
                closed.add(place)
        took = honest(port, address, f"a28-{step}")
        if not isinstance(took, float) or took > 5:
            sys.exit(f"A28: the honest client: {took}")
        worst, step = max(worst, took), step + 1
        time.sleep(9)
    print(f"A28: {step} honest mails beside 500 slow clients, slowest {worst:.2f} s; "
          f"{len(closed)} slow clients were closed")


def many(process, port, address):
    for name, sources in [("one address", ["127.0.0.1"]), ("200 addresses", [f"127.0.1.{n + 1}" for n in range(200)])]:
        clients, refused = [], 0
        for n in range(10_000):
            try:
                client = socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(sources[n % len(sources)], 0))
                greeting = client.recv(200)
                refused += not greeting.startswith(b"220")
                clients.append(client) if greeting.startswith(b"220") else client.close()
            except OSError:
                refused += 1
        print(f"A29, {name}: {len(clients)} taken, {refused} turned away; "
              f"{len(os.listdir(f'/proc/{process.pid}/fd'))} descriptors")
        for client in clients:
            client.close()
        time.sleep(1)
        took = honest(port, address, f"a29-{name}")
        if not isinstance(took, float):
            sys.exit(f"A29: the honest client afterwards: {took}")
        print(f"A29: a mail afterwards took {took:.2f} s")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("program")
    arguments.add_argument("--minutes", type=float, default=60)
    arguments = arguments.parse_args()
    with tempfile.TemporaryDirectory() as place:
        process, port, address = start(os.path.abspath(arguments.program), place)
        try:
            many(process, port, address)
            slow(port, address, arguments.minutes)
        finally:
            process.terminate()
            print(f"The gateway ended with {process.wait()}.")


main()
