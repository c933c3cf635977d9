"""Compares the SAM template with the synthesized CDK stack, resource by resource, and both with functions.json.

compare.py SAM_TEMPLATE FUNCTIONS_JSON PARAMETERS_JSON CDK_DIRECTORY: the last holds a synthesized stack for each set of parameters."""

import collections
import json
import sys

from template import Template, expand_sam, merged, read_cdk

TABLE, INDEX, KEY = "<DynamoDB::Table>.Arn", "<DynamoDB::Table>.Arn/index/lists", "<KMS::Key>.Arn"


def main(sam_path, functions_path, parameters_path, directory):
    with open(sam_path) as file:
        sam = file.read()
    with open(functions_path) as file:
        functions = json.load(file)
    with open(parameters_path) as file:
        sets = json.load(file)
    faults = []
    if expand_sam(sam, {}) != expand_sam(sam, {}):
        faults.append("two expansions of the SAM template differ")
    for name, parameters in sets.items():
        found = differences(sam, functions, parameters, read_cdk(f"{directory}/{name}"))
        faults += [f"with the parameters `{name}`: {fault}" for fault in found]
        if name == "everything":
            missing = expand_sam(sam, {})["Parameters"].keys() ^ parameters.keys()
            faults += [f"parameters.json and the template do not both have the parameter {one}" for one in sorted(missing)]
    for fault in faults:
        print(fault)
    if faults:
        sys.exit(f"{len(faults)} differences between the SAM template, the CDK stack and functions.json")
    print(f"the SAM template, the CDK stack and functions.json say the same, with {len(sets)} sets of parameters")


def differences(sam, functions, parameters, cdk):
    """What differs, as lines to read."""
    left = Template(expand_sam(sam, parameters), parameters)
    right = Template(cdk, {})
    faults = unlike("the template", {"Description": left.description, "Outputs": left.outputs}, {"Description": right.description, "Outputs": right.outputs})
    for kind in sorted({kind for kind, _, _ in left.resources + right.resources}):
        faults += of_kind(kind, left.resources, right.resources)
    for side, template in (("SAM", left), ("CDK", right)):
        faults += against_functions(template, functions, side)
    return faults


def of_kind(kind, left, right):
    """Takes away what both sides have, and shows what is left beside the resource that is most like it."""

    def lines_of(resources):
        return collections.Counter((title(name, content), tuple(lines(content))) for one, name, content in resources if one == kind)

    mine, others = lines_of(left), lines_of(right)
    only_sam, only_cdk = list((mine - others).elements()), list((others - mine).elements())
    faults = []
    for name, content in only_sam:
        if not only_cdk:
            faults.append(f"only SAM has this {name}:\n  " + "\n  ".join(content))
            continue
        likest = max(only_cdk, key=lambda one: len(set(one[1]) & set(content)))
        only_cdk.remove(likest)
        faults += shown(name, content, likest[1])
    return faults + [f"only CDK has this {name}:\n  " + "\n  ".join(content) for name, content in only_cdk]


def title(name, content):
    own = content.get("RouteKey") or content.get("AlarmDescription")
    return f"{name} `{own}`" if own else name


def unlike(name, left, right, sides=("SAM", "CDK")):
    return shown(name, lines(left), lines(right), sides)


def shown(name, left, right, sides=("SAM", "CDK")):
    only_left = [f"  {sides[0]} {line}" for line in left if line not in right]
    only_right = [f"  {sides[1]} {line}" for line in right if line not in left]
    return ["\n".join([f"{name} differs:", *only_left, *only_right])] if tuple(left) != tuple(right) else []


def lines(value, path=""):
    """A value as lines of `path = text`, in an order that is its own."""
    if isinstance(value, dict) and value:
        return [line for key in sorted(value) for line in lines(value[key], f"{path}.{key}" if path else key)]
    if isinstance(value, list) and value:
        if all(isinstance(one, str) for one in value):
            return [f"{path} has {one}" for one in value]
        return [line for at, one in enumerate(value) for line in lines(one, f"{path}[{at}]")]
    return [f"{path} = {value if isinstance(value, str) else json.dumps(value)}"]


def against_functions(template, functions, side):
    """The functions, their rights and their routes are those of functions.json."""
    named = {name: content for _, name, content in template.resources}
    issuer = template.outputs["Issuer"]["Value"]
    expected, found = {}, {}
    for name, entry in functions.items():
        expected[name] = {
            "memory": str(entry["memory"]),
            "timeout": str(entry["timeout"]),
            "routes": sorted("ANY " + path.replace("/*", "/{proxy+}") for path in entry["routes"]),
            "statements": statements(entry, issuer),
        }
    for kind, name, content in template.resources:
        if kind == "AWS::Lambda::Function":
            target = f"integrations/<ApiGatewayV2::Integration of {name}>"
            found[content["Code"]] = {
                "memory": content["MemorySize"],
                "timeout": content["Timeout"],
                "routes": sorted(one["RouteKey"] for kind, _, one in template.resources if kind == "AWS::ApiGatewayV2::Route" and one["Target"] == target),
                "statements": named[f"IAM::Role of {name}"]["Policies"],
            }
    routes = sum(len(entry["routes"]) for entry in functions.values())
    faults = unlike(f"what {side} and functions.json say", found, expected, (side, "functions.json"))
    if routes != sum(kind == "AWS::ApiGatewayV2::Route" for kind, _, _ in template.resources):
        faults.append(f"{side} has routes that lead to no function of functions.json")
    return faults


def statements(entry, issuer):
    """The rights that an entry of functions.json asks for, as statements."""
    found = []
    for rights, resource in ((entry.get("table", {}), TABLE), (entry.get("index", {}), INDEX)):
        groups = {}
        for action, keys in rights.items():
            groups.setdefault(tuple(keys), []).append(f"dynamodb:{action}")
        for keys, actions in groups.items():
            condition = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(keys)}}
            found.append({"Effect": "Allow", "Action": actions, "Resource": resource, "Condition": condition})
    if entry.get("seal"):
        condition = {"StringEquals": {"kms:EncryptionContext:issuer": issuer}}
        actions = [f"kms:{action}" for action in entry["seal"]]
        found.append({"Effect": "Allow", "Action": actions, "Resource": KEY, "Condition": condition})
    return merged([{"PolicyDocument": {"Statement": found}}])


if __name__ == "__main__":
    main(*sys.argv[1:])
