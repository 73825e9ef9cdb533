"""An OAuth 2.0 and OpenID Connect server of the shape of Microsoft's identity platform (v2.0), made from
Authlib: code with PKCE, refresh tokens that are replaced at each use, introspection (RFC 7662),
revocation (RFC 7009), and errors as Microsoft words them. Tokens live in memory."""

import json
import secrets
import threading
import time
import uuid
from urllib.parse import urlparse

from authlib.jose import JsonWebKey
from authlib.oauth2 import AuthorizationServer, OAuth2Request
from authlib.oauth2.rfc6749 import (
    AuthorizationCodeMixin, ClientMixin, InvalidScopeError, TokenMixin,
    grants, scope_to_list,
)
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode as OpenIDCodeBase

from . import aadsts

CLIENT_ID = "mailweave"
CLIENT_SECRET = "laboratory-secret"
# Where a mailbox is connected, and where a person signs in.
CALLBACKS = ("/oauth/callback", "/sign-in/openid/callback")
CODE_SECONDS = 600
# Which scope opens which service to a token.
OPENS = {
    "https://outlook.office.com/IMAP.AccessAsUser.All": {"imap"},
    "https://outlook.office.com/SMTP.Send": {"smtp"},
    "https://mail.google.com/": {"imap", "smtp"},
}
SIGN_IN_SCOPES = {"openid", "profile", "email", "offline_access"}


class Client(ClientMixin):
    """The one application that is registered: as confidential and as public client."""

    def get_client_id(self):
        return CLIENT_ID

    def get_default_redirect_uri(self):
        return None

    def get_allowed_scope(self, scope):
        return scope or ""

    def check_redirect_uri(self, redirect_uri):
        parts = urlparse(redirect_uri)
        return parts.hostname in ("127.0.0.1", "localhost") and parts.path in CALLBACKS

    def check_client_secret(self, client_secret):
        return secrets.compare_digest(CLIENT_SECRET, client_secret)

    def check_endpoint_auth_method(self, method, endpoint):
        return True

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return grant_type in ("authorization_code", "refresh_token")


class Code(AuthorizationCodeMixin):
    def __init__(self, code, request):
        self.code = code
        self.address = request.user
        self.redirect_uri = request.redirect_uri
        self.scope = request.scope
        self.nonce = request.data.get("nonce")
        self.code_challenge = request.data.get("code_challenge")
        self.code_challenge_method = request.data.get("code_challenge_method")
        self.made_at = time.time()

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope

    def get_nonce(self):
        return self.nonce

    def get_auth_time(self):
        return int(self.made_at)


class Token(TokenMixin):
    """An access token and the refresh token that came with it."""

    def __init__(self, token, address):
        self.address = address
        self.access = token["access_token"]
        self.refresh = token.get("refresh_token")
        self.scope = token.get("scope", "")
        self.expires_at = time.time() + token["expires_in"]
        self.is_access_revoked = False
        self.is_refresh_revoked = False

    def check_client(self, client):
        return True

    def get_scope(self):
        return self.scope

    def get_expires_in(self):
        # The next one lives as long as the account says then.
        return None

    def is_expired(self):
        return self.expires_at <= time.time()

    def is_revoked(self):
        return self.is_access_revoked


class Tokens:
    """Everything that was issued."""

    def __init__(self):
        self.codes = {}
        self.by_access = {}
        self.by_refresh = {}

    def add(self, token, address):
        issued = Token(token, address)
        self.by_access[issued.access] = issued
        if issued.refresh:
            self.by_refresh[issued.refresh] = issued

    def of(self, address):
        return [token for token in self.by_access.values() if token.address == address]

    def expire(self, address):
        for token in self.of(address):
            token.expires_at = 0

    def revoke(self, address):
        for token in self.of(address):
            token.is_access_revoked = token.is_refresh_revoked = True


class CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", "none"]

    def save_authorization_code(self, code, request):
        account = self.server.accounts.of(request.user)
        granted = [scope for scope in scope_to_list(request.scope) if scope not in account.withheld_scopes]
        stored = Code(code, request)
        stored.scope = " ".join(granted)
        self.server.tokens.codes[code] = stored
        self.server.accounts.count(request.user, "consents")

    def query_authorization_code(self, code, client):
        stored = self.server.tokens.codes.get(code)
        return stored if stored and stored.made_at + CODE_SECONDS > time.time() else None

    def delete_authorization_code(self, authorization_code):
        self.server.tokens.codes.pop(authorization_code.code, None)

    def authenticate_user(self, authorization_code):
        return authorization_code.address


class RefreshGrant(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = CodeGrant.TOKEN_ENDPOINT_AUTH_METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token):
        token = self.server.tokens.by_refresh.get(refresh_token)
        return token if token and not token.is_refresh_revoked else None

    def authenticate_user(self, credential):
        return credential.address

    def revoke_old_credential(self, credential):
        self.server.accounts.count(credential.address, "refreshes")
        if self.server.accounts.of(credential.address).strict_rotation:
            credential.is_refresh_revoked = True


class OpenIDCode(OpenIDCodeBase):
    def __init__(self, server):
        super().__init__(require_nonce=False)
        self.server = server

    def exists_nonce(self, nonce, request):
        return False

    def get_jwt_config(self, grant):
        return {"key": self.server.key, "alg": "RS256", "iss": self.server.issuer, "exp": 3600}

    def generate_user_info(self, user, scope):
        subject = str(uuid.uuid5(uuid.NAMESPACE_URL, f"mailto:{user}"))
        name = user.partition("@")[0].title()
        is_verified = self.server.accounts.of(user).email_verified
        told = {} if is_verified is None else {"email_verified": is_verified}
        return UserInfo(
            sub=subject, oid=subject, tid=TENANT, ver="2.0", name=name, preferred_username=user, email=user, **told,
        )


class Revocation(RevocationEndpoint):
    CLIENT_AUTH_METHODS = CodeGrant.TOKEN_ENDPOINT_AUTH_METHODS

    def query_token(self, token_string, token_type_hint):
        return self.server.tokens.by_refresh.get(token_string) or self.server.tokens.by_access.get(token_string)

    def revoke_token(self, token, request):
        self.server.accounts.count(token.address, "revocations")
        token.is_access_revoked = token.is_refresh_revoked = True


class Introspection(IntrospectionEndpoint):
    """Asked by Dovecot only, which cannot sign in here: the listener is on loopback."""

    def authenticate_endpoint_client(self, request):
        return self.server.query_client(CLIENT_ID)

    def check_permission(self, token, client, request):
        return True

    def query_token(self, token_string, token_type_hint):
        return self.server.tokens.by_access.get(token_string)

    def create_endpoint_response(self, request):
        status, body, headers = super().create_endpoint_response(request)
        if body["active"] and not self.opens(body, request.headers.get("X-Dovecot-Auth-Service")):
            body = {"active": False}
        return status, body, headers

    def opens(self, body, service):
        if service in self.server.accounts.of(body["username"]).closed_services:
            return False
        return any(service in OPENS.get(scope, ()) for scope in body["scope"].split())

    def introspect_token(self, token):
        return {"username": token.address, "scope": token.scope, "client_id": CLIENT_ID}


TENANT = str(uuid.uuid5(uuid.NAMESPACE_URL, "https://mailweave.test/tenant"))


class Server(AuthorizationServer):
    """The whole. One request at a time: so are refresh tokens replaced at Microsoft, too."""

    def __init__(self, accounts, ports):
        super().__init__()
        self.accounts = accounts
        self.tokens = Tokens()
        self.issuer = f"https://localhost:{ports['oauths']}/{TENANT}/v2.0"
        self.lock = threading.RLock()
        self.key = None
        self.register_grant(CodeGrant, [CodeChallenge(required=False), OpenIDCode(self)])
        self.register_grant(RefreshGrant)
        self.register_endpoint(Revocation)
        self.register_endpoint(Introspection)
        random = lambda **_: secrets.token_urlsafe(900)  # noqa: E731  Microsoft's are as long.
        self.bearer = BearerTokenGenerator(random, random)
        self.register_token_generator("default", self.make_token)

    def load_key(self, path):
        with open(path, "rb") as file:
            self.key = JsonWebKey.import_key(file.read(), {"kty": "RSA", "use": "sig", "alg": "RS256"})

    def keys(self):
        public = self.key.as_dict(is_private=False)
        return {"keys": [{**public, "kid": self.key.thumbprint()}]}

    # --- what Authlib asks of the program it is built into

    def query_client(self, client_id):
        return Client() if client_id == CLIENT_ID else None

    def save_token(self, token, request):
        self.tokens.add(token, request.user)

    def send_signal(self, name, *args, **kwargs):
        pass

    def create_oauth2_request(self, request):
        return request

    def handle_response(self, status, body, headers):
        if isinstance(body, dict):
            body = aadsts.worded(status, body) if status >= 400 else shown(body)
            body = json.dumps(body)
        return status, body, dict(headers)

    # --- what it is asked

    def make_token(self, grant_type, client, user=None, scope=None, expires_in=None, include_refresh_token=True):
        scopes = scope_to_list(scope or "")
        offline = "offline_access" in scopes or "https://mail.google.com/" in scopes
        seconds = self.accounts.of(user).access_seconds
        token = self.bearer.generate(grant_type, client, user, scope, seconds, include_refresh_token and offline)
        return {**token, "ext_expires_in": seconds}

    def token(self, request):
        with self.lock:
            fault = self.fault_of(request)
            if fault:
                return aadsts.fault(fault)
            error = one_resource(request.form.get("scope"))
            if error:
                return self.handle_error_response(request, error)
            return self.create_token_response(request)

    def fault_of(self, request):
        code = self.tokens.codes.get(request.form.get("code"))
        token = self.tokens.by_refresh.get(request.form.get("refresh_token"))
        owner = code or token
        return self.accounts.take_fault(owner.address) if owner else None

    def mint(self, address, scope):
        """Tokens as after a consent."""
        with self.lock:
            token = self.make_token("authorization_code", Client(), address, scope)
            self.tokens.add(token, address)
            return token


def shown(body):
    """Microsoft leaves the scopes of the sign-in out of what it says was granted."""
    if "scope" not in body or "access_token" not in body:
        return body
    granted = [scope for scope in body["scope"].split() if scope != "offline_access"]
    return {**body, "scope": " ".join(granted)}


def one_resource(scope):
    """The scopes of one token are of one resource; a consent may be for several."""
    scopes = set(scope_to_list(scope or "")) - SIGN_IN_SCOPES
    hosts = {urlparse(scope).hostname for scope in scopes}
    if len(hosts) > 1:
        return InvalidScopeError("AADSTS28000: scopes of more than one resource were asked for.")
    return None


def request_of(method, path, form, headers):
    """Authlib's view of a request. It demands https, which the listener on loopback need not have."""
    return OAuth2Request(method, f"https://localhost{path}", form, headers)



