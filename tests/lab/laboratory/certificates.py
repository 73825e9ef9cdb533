"""A private certificate authority and the servers' certificate, made anew for each laboratory."""

import subprocess

NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"


def openssl(directory, *arguments):
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


def make(directory):
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl(
        directory, "req", "-x509", *curve, "-days", "30", "-subj", "/CN=Mailweave laboratory",
        "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        "-keyout", "ca.key", "-out", "ca.pem",
    )
    openssl(
        directory, "req", "-new", *curve, "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "request.pem",
    )
    with open(f"{directory}/extensions", "w", encoding="ascii") as file:
        file.write(f"{NAMES}\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n")
    openssl(
        directory, "x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key",
        "-CAcreateserial", "-days", "20", "-extfile", "extensions", "-out", "cert.pem",
    )
    # The key that signs id tokens (RS256, as Microsoft's are).
    openssl(directory, "genrsa", "-out", "id_token.key", "2048")
