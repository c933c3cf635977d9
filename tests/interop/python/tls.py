"""`gatewright token` over https: to a server whose certificate the machine trusts, and not to any other."""

import http.server
import os
import ssl
import subprocess
import sys
import tempfile
import threading
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from report import end, test

ANSWER = b'{"access_token":"a-token","token_type":"Bearer","expires_in":60}'


class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200 if self.path == "/oauth2/token" else 404)
        self.send_header("content-length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_):
        pass


def certificate(directory):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "interop")])
    now = datetime.now(timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
    made = builder.sign(key, hashes.SHA256())
    path = os.path.join(directory, "certificate.pem")
    with open(path, "wb") as file:
        file.write(made.public_bytes(serialization.Encoding.PEM))
    with open(os.path.join(directory, "key.pem"), "wb") as file:
        file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return path


with tempfile.TemporaryDirectory() as directory:
    trusted = certificate(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, os.path.join(directory, "key.pem"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def token(**variables):
        command = [os.environ["GATEWRIGHT"], "token", "--client-id", "shop", "--url", f"https://127.0.0.1:{server.server_port}"]
        return subprocess.run(command, env={"GATEWRIGHT_CLIENT_SECRET": "s", **variables}, capture_output=True, text=True, timeout=60, cwd=directory)

    def trusts():
        ran = token(SSL_CERT_FILE=trusted)
        assert (ran.returncode, ran.stdout) == (0, "a-token\n"), ran

    def refuses():
        ran = token()
        assert ran.returncode == 1 and ran.stdout == "" and "does not answer" in ran.stderr, ran

    test("gatewright token over https, to a certificate that the machine trusts", trusts)
    test("gatewright token sends nothing to a certificate that it does not trust", refuses)
end()
