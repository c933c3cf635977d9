"""A template as it would be deployed with given parameters: every condition decided, every function of CloudFormation carried out, and every
reference to a resource replaced by what that resource is, because the logical ids of SAM and CDK differ."""

import json
import logging
import os
import re

PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::StackName": "gatewright",
    "AWS::URLSuffix": "amazonaws.com",
}
NOTHING = object()  # AWS::NoValue


def expand_sam(text, parameters):
    """The CloudFormation that the SAM transform makes, with each function's code named after its directory."""
    os.environ.setdefault("AWS_DEFAULT_REGION", PSEUDO["AWS::Region"])
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    from samtranslator.translator.transform import transform
    from samtranslator.yaml_helper import yaml_parse

    class NoPolicies:
        """Stands where the translator would ask IAM for its managed policies."""

        def load(self):
            return {}

    fragment = yaml_parse(text)
    for resource in fragment["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            properties = resource["Properties"]
            properties["CodeUri"] = "s3://code/" + os.path.basename(properties["CodeUri"])
    expanded = json.loads(json.dumps(transform(fragment, dict(parameters), NoPolicies())))
    for resource in of_type(expanded, "AWS::Lambda::Function"):
        resource["Properties"]["Code"] = resource["Properties"]["Code"]["S3Key"]
    return expanded


def read_cdk(directory):
    """A synthesized stack, with each function's code named after its asset."""
    with open(f"{directory}/gatewright.template.json") as file:
        template = json.load(file)
    with open(f"{directory}/gatewright.assets.json") as file:
        assets = json.load(file)["files"]
    for resource in of_type(template, "AWS::Lambda::Function"):
        key = resource["Properties"]["Code"]["S3Key"]
        resource["Properties"]["Code"] = assets[key.removesuffix(".zip")]["displayName"]
    return template


def of_type(template, kind):
    return [resource for resource in template["Resources"].values() if resource["Type"] == kind]


class Template:
    """`resources` is a list of (type, name, content); `outputs` and the contents are plain values."""

    def __init__(self, template, parameters):
        defaults = {name: parameter.get("Default", "") for name, parameter in template.get("Parameters", {}).items()}
        self.values = {**PSEUDO, **defaults, **parameters}
        self.conditions = template.get("Conditions", {})
        present = {key: one for key, one in template["Resources"].items() if "Condition" not in one or self.holds({"Condition": one["Condition"]})}
        self.names = names(present)
        self.description = template.get("Description")
        self.resources = [(one["Type"], self.names[key], self.content(one)) for key, one in present.items()]
        outputs = template.get("Outputs", {})
        self.outputs = {name: self.resolved(one) for name, one in outputs.items() if "Condition" not in one or self.holds({"Condition": one["Condition"]})}

    def content(self, resource):
        properties = self.resolved(resource.get("Properties", {}))
        # SAM marks what it made.
        properties["Tags"] = [tag for tag in properties.get("Tags", []) if tag["Key"] != "lambda:createdBy"]
        if resource["Type"] == "AWS::IAM::Role":
            properties["Policies"] = merged(properties["Policies"])
        if resource["Type"] == "AWS::CloudWatch::Dashboard":
            properties["DashboardBody"] = json.loads(properties["DashboardBody"])
        kept = {key: resource[key] for key in ("DeletionPolicy", "UpdateReplacePolicy") if key in resource}
        return {**{key: value for key, value in properties.items() if value != []}, **kept}

    def resolved(self, value):
        """A value with nothing left to decide; numbers and switches as text, because parameters are text."""
        if isinstance(value, dict):
            if len(value) == 1:
                [(name, argument)] = value.items()
                if name == "Ref":
                    return self.referred(argument)
                if name.startswith("Fn::"):
                    return self.carried_out(name, argument)
            pairs = [(key, self.resolved(one)) for key, one in value.items()]
            return {key: one for key, one in pairs if one is not NOTHING}
        if isinstance(value, list):
            return [one for one in map(self.resolved, value) if one is not NOTHING]
        if isinstance(value, bool):
            return str(value).lower()
        return str(value)

    def referred(self, name):
        if name == "AWS::NoValue":
            return NOTHING
        return str(self.values[name]) if name in self.values else f"<{self.names[name]}>"

    def attribute(self, name, attribute):
        return f"<{self.names[name]}>.{attribute}"

    def carried_out(self, name, argument):
        if name == "Fn::GetAtt":
            return self.attribute(*(argument if isinstance(argument, list) else argument.split(".", 1)))
        if name == "Fn::Join":
            separator, parts = argument
            return separator.join(self.resolved(parts))
        if name == "Fn::If":
            condition, yes, no = argument
            return self.resolved(yes if self.holds({"Condition": condition}) else no)
        if name == "Fn::Sub":
            return self.substituted(*(argument if isinstance(argument, list) else (argument, {})))
        raise ValueError(f"{name} is not known here")

    def substituted(self, text, own):
        def value(match):
            name = match.group(1)
            if name in own:
                return self.resolved(own[name])
            return self.attribute(*name.split(".", 1)) if "." in name else self.referred(name)

        return re.sub(r"\$\{([A-Za-z0-9:.]+)\}", value, text)

    def holds(self, condition):
        [(name, argument)] = condition.items()
        if name == "Condition":
            return self.holds(self.conditions[argument])
        if name == "Fn::Equals":
            left, right = map(self.resolved, argument)
            return left == right
        if name == "Fn::Not":
            return not self.holds(argument[0])
        if name == "Fn::And":
            return all(map(self.holds, argument))
        if name == "Fn::Or":
            return any(map(self.holds, argument))
        raise ValueError(f"{name} is not known among conditions")


def names(resources):
    """What each resource is, in words that both templates share: the type, and where a type occurs often, whose it is."""
    found = {key: resource["Type"].removeprefix("AWS::") for key, resource in resources.items()}

    def own(owner, name, *properties):
        for value in properties:
            for key in references(owner["Properties"].get(value)):
                found[key] = f"{found[key]} of {name}"

    for key, resource in resources.items():
        if resource["Type"] == "AWS::Lambda::Function":
            found[key] = f"function {resource['Properties']['Code']}"
            own(resource, found[key], "Role", "LoggingConfig")
        if resource["Type"] == "AWS::ApiGatewayV2::Stage":
            own(resource, "the stage", "AccessLogSettings")
    for key, resource in resources.items():
        if resource["Type"] == "AWS::ApiGatewayV2::Integration":
            [function] = references(resource["Properties"]["IntegrationUri"])
            found[key] += f" of {found[function]}"
    return found


def references(value):
    """The resources that a value refers to by `Ref` or `Fn::GetAtt`."""
    if isinstance(value, list):
        return [key for one in value for key in references(one)]
    if not isinstance(value, dict):
        return []
    if "Ref" in value:
        return [value["Ref"]]
    if "Fn::GetAtt" in value:
        return [value["Fn::GetAtt"][0]]
    return [key for one in value.values() for key in references(one)]


def merged(policies):
    """Each statement of all inline policies, as a text: what they are called and in which order they stand means nothing to IAM."""
    statements = [dict(statement) for policy in policies for statement in policy["PolicyDocument"]["Statement"]]
    for statement in statements:
        statement["Action"] = sorted([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    return sorted(json.dumps(statement, sort_keys=True) for statement in statements)
