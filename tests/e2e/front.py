"""One origin for two APIs of the emulator, as a domain would be: the endpoints, and the orders API at every other path.

The emulator hands the answers of functions on as they are. Here the endpoints' answers go the way that API Gateway documents for HTTP APIs: the
integration's WWW-Authenticate is renamed, then the response parameters of the deployed integration apply (X-04).

usage: front.py PORT EMULATOR_URL ENDPOINTS_API_ID ORDERS_PATH
"""

import http.client
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit
from urllib.request import urlopen

PORT, EMULATOR, API_ID, ORDERS = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
OURS = ("/oauth2", "/admin", "/.well-known", "/healthz")
NOT_FORWARDED = {"connection", "host", "transfer-encoding", "keep-alive", "accept-encoding", "content-length"}
RENAMED = {"www-authenticate": "x-amzn-remapped-www-authenticate"}


def items(what):
    with urlopen(f"{EMULATOR}/v2/apis/{API_ID}/{what}") as answer:
        return json.load(answer)["items"]


PARAMETERS = {integration["integrationId"]: integration.get("responseParameters") or {} for integration in items("integrations")}
ROUTES = {route["routeKey"].removeprefix("ANY ").removesuffix("{proxy+}"): route["target"].removeprefix("integrations/") for route in items("routes")}


def mapped(path, status, headers):
    """The headers after the gateway: a list of pairs, names in lower case."""
    route = next((route for route in ROUTES if path == route or route.endswith("/") and path.startswith(route)), None)
    parameters = PARAMETERS[ROUTES[route]].get(str(status), {}) if route else {}
    if "ResponseParameters" in parameters:  # As CloudFormation writes them.
        parameters = {each["Destination"]: each["Source"] for each in parameters["ResponseParameters"]}
    given = dict(headers)
    after = [(RENAMED.get(name, name), value) for name, value in headers]
    for destination, source in parameters.items():
        action, name = destination.replace(":header.", ":").split(":")
        after = [pair for pair in after if pair[0] != name]
        # What AWS does where the answer has no such header is not documented; here nothing is written.
        if action == "overwrite" and source.removeprefix("$response.header.") in given:
            after.append((name, given[source.removeprefix("$response.header.")]))
    return after


class Front(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def forward(self):
        path = self.path.split("?")[0]
        is_ours = path.startswith(OURS)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        sent = {name: value for name, value in self.headers.items() if name.lower() not in NOT_FORWARDED}
        connection = http.client.HTTPConnection(urlsplit(EMULATOR).netloc, timeout=60)
        stage = f"/_aws/execute-api/{API_ID}/$default" if is_ours else ORDERS
        connection.request(self.command, stage + self.path, body or None, sent)
        answer = connection.getresponse()
        content = answer.read()
        headers = [(name.lower(), value) for name, value in answer.getheaders() if name.lower() not in NOT_FORWARDED]
        self.send_response_only(answer.status)
        for name, value in mapped(path, answer.status, headers) if is_ours else headers:
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
