"""Errors as Microsoft words them: an OAuth error, an AADSTS number, and who to ask about it."""

import json
import time
import uuid

# What an OAuth error of ours is called there, when nothing says more.
NUMBERS = {
    "invalid_grant": (70000, "The provided value for the input parameter is not valid or has expired."),
    "invalid_client": (7000215, "Invalid client secret provided."),
    "invalid_request": (900144, "The request body must contain the required parameters."),
    "invalid_scope": (70011, "The provided value for the input parameter 'scope' is not valid."),
    "unsupported_grant_type": (70003, "The app returned an unsupported grant type."),
    "unauthorized_client": (700016, "The application was not found in the directory."),
}
# What a test may ask for: status, error, number, words.
FAULTS = {
    "invalid_grant": (400, "invalid_grant", 50173, "The provided grant has expired due to it being revoked, a fresh auth token is needed."),
    "expired_grant": (400, "invalid_grant", 700082, "The refresh token has expired due to inactivity."),
    "consent_required": (400, "invalid_grant", 65001, "The user or administrator has not consented to use the application."),
    "interaction_required": (400, "interaction_required", 50076, "Due to a configuration change made by your administrator, you must use multi-factor authentication."),
    "conditional_access": (400, "interaction_required", 53003, "Access has been blocked by Conditional Access policies."),
    "invalid_client": (401, "invalid_client", 7000222, "The provided client secret keys are expired."),
    "unauthorized_client": (400, "unauthorized_client", 700016, "The application was not found in the directory."),
    "invalid_scope": (400, "invalid_scope", 70011, "The provided value for the input parameter 'scope' is not valid."),
    "temporarily_unavailable": (503, "temporarily_unavailable", 90033, "A transient error has occurred. Please try again."),
}
HEADERS = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store, no-cache"}


def body(error, number, words):
    trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
    stamp = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
    return {
        "error": error,
        "error_description": f"AADSTS{number}: {words} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}",
        "error_codes": [number],
        "timestamp": stamp,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"https://login.microsoftonline.com/error?code={number}",
    }


def worded(status, plain):
    """An error of Authlib's in Microsoft's words."""
    error = plain.get("error", "invalid_request")
    number, words = NUMBERS.get(error, (900000, "The request is not understood."))
    said = plain.get("error_description")
    return body(error, number, f"{words} {said}" if said else words)


def fault(name):
    """The whole answer to a request that meets a fault."""
    if name == "429":
        return 429, json.dumps(body("temporarily_unavailable", 50196, "Too many requests.")), {**HEADERS, "Retry-After": "1"}
    if name == "500":
        return 500, "<html><body>Our services aren't available right now</body></html>", {"Content-Type": "text/html"}
    status, error, number, words = FAULTS[name]
    return status, json.dumps(body(error, number, words)), HEADERS
