"""What `up` prints: how to try the whole two-way sync by hand against this laboratory."""

from string import Template

from .accounts import PASSWORD
from .oauth import CLIENT_ID, CLIENT_SECRET

USER = "anna@lab.test"
CUSTOMER = "carl@customer.test"

CONFIG = """\
data_dir = "$directory/gateway"

[smtp]
listen = ["127.0.0.1:2525"]
# The laboratory's Postfix brings mail for it to this port.
domains = ["bcc.localhost"]

[http]
listen = "127.0.0.1:8025"
public_url = "http://127.0.0.1:8025"
admin_token = "laboratory"

[tls]
certificate = "$directory/gateway-cert.pem"
key = "$directory/gateway-key.pem"
extra_roots = "$directory/ca.pem"

[providers.outlook]
client_id = "$client_id"
client_secret = "$client_secret"
authorize_url = "https://localhost:$oauths/common/oauth2/v2.0/authorize"
token_url = "https://localhost:$oauths/common/oauth2/v2.0/token"
imap = "localhost:$imaps?tls"
smtp = "localhost:$submission?starttls"
"""

GUIDE = """\
The laboratory is up: Dovecot, Postfix and an OAuth 2.0 server play Exchange Online. Ctrl-C ends it, and
everything in it is gone. $user is the user, $customer the customer; every address has a mailbox here.

  IMAP        localhost:$imaps (TLS), 127.0.0.1:$imap (clear); XOAUTH2, or the password `$password`
  submission  localhost:$submission (STARTTLS)
  from the world  127.0.0.1:$smtp
  OAuth       https://localhost:$oauths/common/oauth2/v2.0/authorize and /token

1. In another terminal, a gateway that knows it:

  cargo run --release -- --config $directory/config.toml serve

2. In a third, a sub-account, its user, and the user's mailbox:

  api() { curl -sS -H "Authorization: Bearer $$TOKEN" -H 'Content-Type: application/json' "$$@"; }
  field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$$1"; }
  URL=http://127.0.0.1:8025/api/v1
  TOKEN=laboratory
  TOKEN=$$(api $$URL/sub-accounts -d '{"name": "Laboratory"}' | field api_token)
  USER_ID=$$(api $$URL/users -d '{"name": "Anna", "email": "$user"}' | field id)
  api $$URL/mailboxes -d '{"user_id": "'$$USER_ID'", "provider": "outlook", "address": "$user"}' | field authorization_url

3. Open the address that was printed in a browser and accept (it warns: the certificate is the
   laboratory's own). Or let curl accept, as the page's button does:

  curl -sS --cacert $directory/ca.pem -d 'address=$user&decision=accept' -L 'THE ADDRESS'
  api $$URL/mailboxes

4. Write to the customer from the CRM, and see it arrive with him:

  SENT=$$(api $$URL/messages -d '{"kind": "individual", "user_id": "'$$USER_ID'", "to": [{"email": "$customer"}], "subject": "The offer", "text": "Dear Carl, here it is."}' | field message_id)
  curl -sS -u $customer:$password 'imap://127.0.0.1:$imap/INBOX;MAILINDEX=*'

5. Let the customer answer, and the user go on in Outlook:

  printf 'From: Carl <$customer>\\r\\nTo: $user\\r\\nSubject: Re: The offer\\r\\nMessage-ID: <answer@customer.test>\\r\\nIn-Reply-To: <%s>\\r\\n\\r\\nThank you!\\r\\n' "$$SENT" | curl -sS smtp://127.0.0.1:$smtp --mail-from $customer --mail-rcpt $user -T -
  printf 'From: Anna <$user>\\r\\nTo: $customer\\r\\nSubject: Re: The offer\\r\\nMessage-ID: <outlook@lab.test>\\r\\nIn-Reply-To: <answer@customer.test>\\r\\n\\r\\nYou are welcome.\\r\\n' > $directory/mail
  curl -sS -u $user:$password -T $directory/mail 'imap://127.0.0.1:$imap/Sent%20Items'

6. All of it is one conversation:

  api $$URL/conversations
  curl -sSN -H "Authorization: Bearer $$TOKEN" $$URL/events

The account can be made to misbehave, and says what happened to it: rewrites_ids (as Outlook.com does),
saves_sent, access_seconds, strict_rotation, withheld_scopes, closed_services, consent_error, and fault
(invalid_grant, consent_required, interaction_required, invalid_client, temporarily_unavailable, 429, 500):

  curl -sS http://127.0.0.1:$oauth/lab/accounts/$user -d '{"rewrites_ids": true}'
  curl -sS http://127.0.0.1:$oauth/lab/revoke -d '{"address": "$user"}'

Mail to bounce@anywhere.test comes back as a delivery report; refuse@ is refused, defer@ is put off.
"""


def values(laboratory):
    return {
        "directory": laboratory.directory, "user": USER, "customer": CUSTOMER, "password": PASSWORD,
        "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, **laboratory.ports,
    }


def prepare(laboratory):
    """The mailboxes of the two people, and the configuration of the gateway."""
    for address in (USER, CUSTOMER):
        laboratory.dovecot.make_folders(address)
    with open(f"{laboratory.directory}/config.toml", "w", encoding="utf-8") as file:
        file.write(Template(CONFIG).substitute(values(laboratory)))


def text(laboratory):
    return Template(GUIDE).substitute(values(laboratory))
