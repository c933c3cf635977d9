"""The emulator serves its APIs below a path each; this puts two of them on one origin, as a domain would: the endpoints and the orders API.

usage: front.py PORT ENDPOINTS_URL ORDERS_URL
"""

import http.client
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PORT, ENDPOINTS, ORDERS = int(sys.argv[1]), urlsplit(sys.argv[2]), urlsplit(sys.argv[3])
OURS = ("/oauth2", "/admin", "/.well-known", "/healthz")
HOP_BY_HOP = {"connection", "host", "transfer-encoding", "keep-alive", "accept-encoding"}


class Front(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def forward(self):
        to = ENDPOINTS if self.path.startswith(OURS) else ORDERS
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        connection = http.client.HTTPConnection(to.hostname, to.port, timeout=60)
        connection.request(self.command, to.path + self.path, body or None, headers)
        answer = connection.getresponse()
        content = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        connection.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = forward

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", PORT), Front).serve_forever()
