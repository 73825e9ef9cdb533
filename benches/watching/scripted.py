"""A server that speaks as much IMAP and SMTP as a watched mailbox needs, for thousands of mailboxes at once.

Dovecot takes 3 to 4 MB a connection; here only our side is measured. Every mailbox is Exchange's in its folders,
and has one old mail in Inbox and Sent.
"""
import asyncio
import multiprocessing
import resource
import ssl

FOLDERS = ["INBOX", "Sent Items", "Drafts", "Deleted Items", "Junk Email", "Archive", "Projects"]
FIELDS = b"From: mum@family.test\r\nMessage-ID: <old@family.test>\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n\r\n"
CAPABILITY = "IMAP4rev1 IDLE SASL-IR UIDPLUS AUTH=PLAIN"


def imap_answers(tag, verb, rest):
    """The answer to a command, but for IDLE."""
    match verb:
        case "CAPABILITY":
            yield f"* CAPABILITY {CAPABILITY}"
        case "LIST":
            yield from (f'* LIST (\\HasNoChildren) "/" "{name}"' for name in FOLDERS)
        case "EXAMINE" | "SELECT":
            yield from ["* 1 EXISTS", "* OK [UIDVALIDITY 1] valid", "* OK [UIDNEXT 2] next"]
        case "STATUS":
            yield f"* STATUS {rest.split('(')[0]}(UIDNEXT 2 UIDVALIDITY 1)"
        case "UID" if rest.startswith(("FETCH 1 ", "FETCH 1:")) or "*" in rest:
            # RFC 3501 6.4.8: `n:*` has the last mail, whatever its UID.
            date = '"14-Nov-2023 22:13:20 +0000"'
            yield f"* 1 FETCH (UID 1 INTERNALDATE {date} BODY[HEADER.FIELDS (FROM)]<0> {{{len(FIELDS)}}}"
            yield f"{FIELDS.decode()})"
        case "LOGOUT":
            yield "* BYE"
    yield f"{tag} OK done"


async def imap(reader, writer):
    writer.write(b"* OK ready\r\n")
    idle = None
    while line := (await reader.readline()).decode().rstrip():
        if line == "DONE":
            writer.write(f"{idle} OK done\r\n".encode())
            continue
        tag, verb, rest = (line + "  ").split(" ", 2)
        if verb.upper() == "IDLE":
            idle = tag
            writer.write(b"+ idling\r\n")
        else:
            answers = imap_answers(tag, verb.upper(), rest.strip())
            writer.write("".join(f"{answer}\r\n" for answer in answers).encode())
    writer.close()


async def smtp(reader, writer):
    answers = {"EHLO": "250-localhost\r\n250 AUTH PLAIN LOGIN", "AUTH": "235 2.7.0 signed in", "QUIT": "221 2.0.0 bye"}
    writer.write(b"220 localhost ESMTP\r\n")
    while line := (await reader.readline()).decode().rstrip():
        writer.write(f"{answers.get(line[:4].upper(), '250 2.0.0 OK')}\r\n".encode())
    writer.close()


async def listen(context, ports):
    # Small buffers: thousands of connections are open.
    servers = [await asyncio.start_server(of, "127.0.0.1", 0, ssl=context, limit=4_096, backlog=4_096) for of in (imap, smtp)]
    ports.send([server.sockets[0].getsockname()[1] for server in servers])
    await asyncio.Event().wait()


def run(directory, ports):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{directory}/cert.pem", f"{directory}/key.pem")
    asyncio.run(listen(context, ports))


class Scripted:
    """The server in a process of its own, with the laboratory's certificate."""

    def __init__(self, directory):
        self.directory = directory

    def __enter__(self):
        here, there = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=run, args=(self.directory, there), daemon=True)
        self.process.start()
        self.imap, self.smtp = here.recv()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.join()
