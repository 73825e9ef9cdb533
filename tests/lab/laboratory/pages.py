"""The consent page, and where it leads back to."""

from html import escape
from urllib.parse import urlencode

HEADERS = {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"}

WORDS = {
    "https://outlook.office.com/IMAP.AccessAsUser.All": "Read and write your mail (IMAP)",
    "https://outlook.office.com/SMTP.Send": "Send mail as you (SMTP)",
    "offline_access": "Keep this access when you are not there",
    "openid": "Sign you in",
    "profile": "See your name",
    "email": "See your address",
}

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Permissions requested</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 30em; margin: 4em auto; padding: 0 1em }}
  input {{ font: inherit; width: 100%; box-sizing: border-box; padding: .4em }}
  button {{ font: inherit; padding: .4em 1.5em; margin: 1em .5em 0 0 }}
</style>
<h1>Permissions requested</h1>
<p>The laboratory plays Microsoft. <b>Mailweave</b> would like to:</p>
<ul>{scopes}</ul>
<form method="post" action="{action}">
  <label>You are signed in as <input name="address" type="email" required value="{address}"></label>
  <button name="decision" value="accept">Accept</button>
  <button name="decision" value="cancel" formnovalidate>Cancel</button>
</form>
</html>
"""


def consent(request, path):
    scopes = (request.scope or "").split()
    listed = "".join(f"<li>{escape(WORDS.get(scope, scope))}</li>" for scope in scopes)
    address = request.data.get("login_hint") or "anna@lab.test"
    return PAGE.format(scopes=listed, action=escape(path), address=escape(address))


def error(what):
    return f"<!doctype html><title>Sign-in failed</title><h1>Sign-in failed</h1><p>{escape(str(what))}</p>"


REFUSALS = {
    "access_denied": "AADSTS65004: User declined to consent to access the app.",
    "consent_required": "AADSTS90094: An administrator must set a policy that lets users consent to the app.",
    "interaction_required": "AADSTS53003: Access has been blocked by Conditional Access policies.",
}


def refused(request, name):
    said = {"error": name, "error_description": REFUSALS.get(name, name)}
    if request.state:
        said["state"] = request.state
    return f"{request.redirect_uri}?{urlencode(said)}"
