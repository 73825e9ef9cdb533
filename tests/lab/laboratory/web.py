"""The web listeners: with TLS for the gateway, without for Dovecot, browsers and tests. Beside the OAuth
server they have `/lab/…`, by which tests say how an account is to behave."""

import json
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from . import pages
from .oauth import TENANT, request_of


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Set by `serve`.
    oauth = accounts = dovecot = None

    def do_GET(self):
        path = urlsplit(self.path).path
        if path.endswith("/oauth2/v2.0/authorize"):
            return self.consent_page()
        if path.endswith("/discovery/v2.0/keys"):
            return self.json(200, self.oauth.keys())
        if path.endswith("/.well-known/openid-configuration"):
            return self.json(200, self.discovery())
        if path.startswith("/lab/accounts/"):
            return self.json(200, self.accounts.change(self.named(path), {}))
        return self.answer(404, "Not here.", {"Content-Type": "text/plain"})

    def do_POST(self):
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("utf-8", "replace")
        if path.startswith("/lab/"):
            return self.lab(path, json.loads(body or "{}"))
        form = dict(parse_qsl(body, keep_blank_values=True))
        request = request_of("POST", self.path, form, self.headers)
        if path.endswith("/oauth2/v2.0/authorize"):
            return self.consent(request)
        if path.endswith("/oauth2/v2.0/token"):
            return self.answer(*self.oauth.token(request))
        if path.endswith("/oauth2/v2.0/revoke"):
            return self.answer(*self.oauth.create_endpoint_response("revocation", request))
        if path == "/introspect":
            return self.answer(*self.oauth.create_endpoint_response("introspection", request))
        return self.answer(404, "Not here.", {"Content-Type": "text/plain"})

    def consent_page(self):
        request = request_of("GET", self.path, {}, self.headers)
        try:
            grant = self.oauth.get_authorization_grant(request)
            grant.validate_authorization_request()
        except Exception as error:  # noqa: BLE001  Authlib's errors have no common base for both steps.
            return self.answer(400, pages.error(error), pages.HEADERS)
        return self.answer(200, pages.consent(request, self.path), pages.HEADERS)

    def consent(self, request):
        address = request.form.get("address", "").strip().lower()
        account = self.accounts.of(address)
        is_cancelled = request.form.get("decision") != "accept"
        error = "access_denied" if is_cancelled else account.consent_error
        if error:
            return self.answer(302, "", {"Location": pages.refused(request, error)})
        user = account.signs_in_as or address
        with self.oauth.lock:
            self.answer(*self.oauth.create_authorization_response(request, user))

    def lab(self, path, body):
        if path.startswith("/lab/accounts/"):
            return self.json(200, self.accounts.change(self.named(path), body))
        address = body["address"].lower()
        if path == "/lab/tokens":
            return self.json(200, self.oauth.mint(address, body["scope"]))
        if path == "/lab/expire":
            self.oauth.tokens.expire(address)
        elif path == "/lab/revoke":
            self.oauth.tokens.revoke(address)
        elif path == "/lab/kick":
            self.dovecot.kick(address)
        return self.json(200, {})

    def discovery(self):
        scheme = "https" if isinstance(self.connection, ssl.SSLSocket) else "http"
        base = f"{scheme}://{self.headers['Host']}"
        root = f"{base}/{TENANT}/oauth2/v2.0"
        return {
            "issuer": self.oauth.issuer,
            "authorization_endpoint": f"{root}/authorize",
            "token_endpoint": f"{root}/token",
            "revocation_endpoint": f"{root}/revoke",
            "jwks_uri": f"{base}/{TENANT}/discovery/v2.0/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def named(self, path):
        return unquote(path.removeprefix("/lab/accounts/"))

    def json(self, status, body):
        self.answer(status, json.dumps(body), {"Content-Type": "application/json"})

    def answer(self, status, body, headers):
        content = body.encode()
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


class Listeners:
    def __init__(self, servers):
        self.servers = servers
        for server in servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def stop(self):
        for server in self.servers:
            server.shutdown()


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def finish_request(self, request, client_address):
        # The handshake belongs to the connection's thread, not to the one that accepts.
        if isinstance(request, ssl.SSLSocket):
            request.do_handshake()
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        # Clients that are killed, or that do not trust us, are what tests are made of.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def serve(oauth, accounts, dovecot, directory, ports):
    oauth.load_key(f"{directory}/id_token.key")
    handler = type("Here", (Handler,), {"oauth": oauth, "accounts": accounts, "dovecot": dovecot})
    clear = Listener(("127.0.0.1", ports["oauth"]), handler)
    private = Listener(("127.0.0.1", ports["oauths"]), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{directory}/cert.pem", f"{directory}/key.pem")
    private.socket = context.wrap_socket(private.socket, server_side=True, do_handshake_on_connect=False)
    return Listeners([clear, private])
