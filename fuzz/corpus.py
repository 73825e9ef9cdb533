#!/usr/bin/env python3
"""Makes a seed corpus for every target in fuzz/seeds, from the mails and dialogs of the tests and from a
few that are written here. Nothing of it is committed."""

import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent
TESTS = HERE.parent / "tests"
SEEDS = HERE / "seeds"


def put(target, name, content):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name.replace("/", "-")).write_bytes(content)


def files(folder, *suffixes):
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix in suffixes]


def mails():
    for path in files(TESTS / "data", ".eml"):
        content = path.read_bytes()
        name = str(path.relative_to(TESTS / "data"))
        put("parse_then_decide", name, content)
        put("data_stuffing_and_back", name, content[:4000])
        body = content.replace(b"\r\n", b"\n").partition(b"\n\n")[2]
        put("forwards", name, body[:8000])
        put("new_text", name, body[:8000])
        for line in content.splitlines():
            if line.lower().startswith((b"references:", b"in-reply-to:", b"message-id:")):
                put("references", name, line + b"\x05")


def texts():
    for path in files(TESTS / "data", ".txt"):
        content = path.read_bytes()
        for target in ("forwards", "new_text"):
            put(target, str(path.relative_to(TESTS / "data")), content[:8000])


def dialogs():
    """What clients say in the scripted dialogs; the cuts stand behind it in the input."""
    for path in files(TESTS, ".smtp"):
        said = [line[3:] for line in path.read_text("utf-8", "replace").splitlines() if line.startswith("C: ")]
        put("smtp_session", path.name, "\r\n".join([*said, ""]).encode() + b"\x05\x07\x0b")
    whole = (
        b"EHLO c\r\nMAIL FROM:<a@b.test> SIZE=100\r\nRCPT TO:<k@bcc.example>\r\nRCPT TO:<u@bcc.example>\r\nDATA\r\n"
        b"Subject: x\r\n\r\n..dot\r\n\n.\n\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<k@bcc.example>\r\nBDAT 4\r\nabcd"
        b"BDAT 3 LAST\r\n.\r\nNOOP\r\nSTARTTLS\r\nQUIT\r\n"
    )
    put("smtp_session", "whole", whole + b"\x01\x02\x03")


def addresses():
    samples = [
        "anna@acme.test", "Anna.Actor+tag@ACME.test.", '"quoted local"@acme.test', '"a\\"b"@acme.test',
        "grüße@bücher.example", "user@xn--bcher-kva.example", "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]",
        "\u0430pple@\u0430pple.com", "a@b@c", "@x", "x@", "a b@c.test", "İ@İ.test", "ſ@ſ.test",
    ]
    for number, sample in enumerate(samples):
        put("addresses", str(number), sample.encode())


def tnef():
    """Winmail.dat: the tests' own, and a small one with a body and a file."""
    for path in files(TESTS / "data", ".dat", ".tnef"):
        put("tnef", path.name, path.read_bytes())

    def attribute(level, tag, content):
        return struct.pack("<BII", level, tag, len(content)) + content + struct.pack("<H", sum(content) & 0xFFFF)

    head = struct.pack("<IH", 0x223E9F78, 1) + attribute(1, 0x00089006, struct.pack("<I", 0x00010000))
    body = attribute(1, 0x0002800C, b"The body.\0")
    file = (
        attribute(2, 0x00069002, struct.pack("<HIHHII", 1, 0xFFFFFFFF, 0, 0, 0, 0)[:14])
        + attribute(2, 0x00018010, b"offer.pdf\0")
        + attribute(2, 0x0006800F, b"%PDF-1.4 content")
    )
    properties = struct.pack("<III", 1, 0x3001001F, 1) + struct.pack("<I", 10) + "Name\0".encode("utf-16-le") + b"\0\0"
    put("tnef", "small", head + body + file + attribute(2, 0x00069005, properties))


if __name__ == "__main__":
    for make in (mails, texts, dialogs, addresses, tnef):
        make()
    for target in sorted(path.stem for path in (HERE / "fuzz_targets").glob("*.rs")):
        (HERE / "corpus" / target).mkdir(parents=True, exist_ok=True)
        (SEEDS / target).mkdir(parents=True, exist_ok=True)
        print(f"{target}: {len(list((SEEDS / target).iterdir()))} seeds")
