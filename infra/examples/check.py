"""That the examples attach the authorizer as docs/attach.md has it, SAM's and CDK's alike: rows X-01, X-02, X-03, X-07, AU-30.

usage: check.py sam-rest/template.yaml CDK_OUT    (with the Python that sam is installed in)
"""

import json
import sys
from pathlib import Path

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

BEARER = "'Bearer realm=\"gatewright\"'"
BASIC = "'Bearer realm=\"gatewright\", Basic realm=\"gatewright\", charset=\"UTF-8\"'"
RESPONSES = {
    "UNAUTHORIZED": ("401", "Unauthorized", BEARER),
    "ACCESS_DENIED": ("403", "Forbidden", "context.authorizer.challenge"),
    "MISSING_AUTHENTICATION_TOKEN": ("403", "Forbidden", BEARER),
    "AUTHORIZER_FAILURE": ("500", "Internal server error", None),
    "AUTHORIZER_CONFIGURATION_ERROR": ("500", "Internal server error", None),
}


class NoPolicies:
    """The managed policies that SAM would look up; no example names one."""

    def load(self):
        return {}


def same(what, found, expected):
    if found != expected:
        sys.exit(f"{what} is\n  {found}\nand should be\n  {expected}")


def response(status, parameters, templates):
    """A gateway response: its status, its message, its challenge."""
    same("Cache-Control of a gateway response", parameters.get("gatewayresponse.header.Cache-Control"), "'no-store'")
    challenge = parameters.get("gatewayresponse.header.WWW-Authenticate")
    if isinstance(challenge, dict):
        condition, basic, challenge = challenge["Fn::If"]
        same("the challenge where the Api takes Basic", (condition, basic), ("AsksForBasic", BASIC))
    return str(status), json.loads(templates["application/json"])["message"], challenge


def of_type(template, kind):
    return [resource["Properties"] for resource in template["Resources"].values() if resource["Type"] == kind]


def sam(path):
    [api] = of_type(transform(yaml_parse(Path(path).read_text()), {}, NoPolicies()), "AWS::ApiGateway::RestApi")
    body = api["Body"]
    responses = body["x-amazon-apigateway-gateway-responses"]
    parts = ("statusCode", "responseParameters", "responseTemplates")
    same("SAM's gateway responses", {kind: response(*(each[part] for part in parts)) for kind, each in responses.items()}, RESPONSES)
    authorizers = {name: (scheme["name"], scheme["x-amazon-apigateway-authorizer"]) for name, scheme in body["securityDefinitions"].items()}
    for header, authorizer in authorizers.values():
        authorizer.pop("authorizerUri")
        # "Unused" is SAM's word for a REQUEST authorizer without an identity source.
        expected = {"request": "Unused", "token": "Authorization"}[authorizer["type"]]
        same("SAM's authorizer", (header, authorizer), (expected, {"type": authorizer["type"], "authorizerResultTtlInSeconds": 0}))
    asked = {f"{method} {path}": each["security"] for path, methods in body["paths"].items() for method, each in methods.items()}
    same("SAM's routes", {route: [authorizers[name][1]["type"] for scheme in schemes for name in scheme] for route, schemes in asked.items()},
         {"get /orders": ["request"], "post /orders": ["request"], "get /orders/{id}": ["request"], "delete /orders/{id}": ["token"]})


def cdk(out):
    rest = json.loads((out / "OrdersRest.template.json").read_text())
    responses = of_type(rest, "AWS::ApiGateway::GatewayResponse")
    parts = ("StatusCode", "ResponseParameters", "ResponseTemplates")
    same("CDK's gateway responses", {each["ResponseType"]: response(*(each[part] for part in parts)) for each in responses}, RESPONSES)
    [authorizer] = of_type(rest, "AWS::ApiGateway::Authorizer")
    same("CDK's authorizer of the REST API", [authorizer.get(name) for name in ("Type", "AuthorizerResultTtlInSeconds", "IdentitySource")], ["REQUEST", 0, None])
    same("what CDK's methods ask", {each["AuthorizationType"] for each in of_type(rest, "AWS::ApiGateway::Method")}, {"CUSTOM"})
    http = json.loads((out / "OrdersHttp.template.json").read_text())
    [authorizer] = of_type(http, "AWS::ApiGatewayV2::Authorizer")
    parts = ("AuthorizerType", "AuthorizerPayloadFormatVersion", "AuthorizerResultTtlInSeconds", "IdentitySource")
    same("CDK's authorizer of the HTTP API", [authorizer.get(part) for part in parts], ["REQUEST", "2.0", 0, None])
    orders = [each.get("AuthorizationType") for each in of_type(http, "AWS::ApiGatewayV2::Route") if "/orders" in each["RouteKey"]]
    same("what CDK's routes ask", orders, ["CUSTOM"] * 4)


sam(sys.argv[1])
cdk(Path(sys.argv[2]))
print("the examples attach the authorizer as they should")
