"""Shows that the comparison can fail: each of these changes to one side, made alone, must be told as a difference.

mutations.py SAM_TEMPLATE FUNCTIONS_JSON CDK_DIRECTORY"""

import json
import sys

from compare import differences
from template import read_cdk

# What of the SAM template is changed into what, where it occurs first.
IN_SAM = {
    "an action": ("Action: [dynamodb:", "Action: [dynamodb:Scan, dynamodb:"),
    "a leading key": ("dynamodb:LeadingKeys: [", "dynamodb:LeadingKeys: ['*', "),
    "a KMS action": ("Action: [kms:", "Action: [kms:CreateGrant, kms:"),
    "the encryption context": ("kms:EncryptionContext:issuer", "kms:EncryptionContext:kid"),
    "the resource of a right": ("Resource: !Sub ${Table.Arn}/index/lists", "Resource: !Sub ${Table.Arn}/index/*"),
    "one right more": ("            - Effect: Allow\n", "            - {Effect: Allow, Action: dynamodb:Scan, Resource: '*'}\n            - Effect: Allow\n"),
    "a route": ("RouteKey: ANY /oauth2/revoke", "RouteKey: POST /oauth2/revoke"),
    "where a route leads": ("integrations/${RevokeIntegration}", "integrations/${TokenIntegration}"),
    "an integration": ("IntegrationUri: !GetAtt RevokeFunction.Arn", "IntegrationUri: !GetAtt TokenFunction.Arn"),
    "the challenge": ("overwrite:header.www-authenticate", "append:header.www-authenticate"),
    "who may invoke": ("${AWS::AccountId}:${Api}/*", "${AWS::AccountId}:*"),
    "whom a principal invokes": ("FunctionName: !GetAtt AuthorizerFunction.Arn", "FunctionName: !GetAtt AdminFunction.Arn"),
    "a variable": ("        GATEWRIGHT_LOG: !Ref Log\n", ""),
    "a variable's value": ("GATEWRIGHT_TOKENINFO: !Ref Tokeninfo", "GATEWRIGHT_TOKENINFO: !Ref AdminApi"),
    "an alarm's threshold": ("Threshold: 60", "Threshold: 61"),
    "an alarm's metric": ("MetricName: KeyAge", "MetricName: FeedAge"),
    "what an alarm misses": ("TreatMissingData: breaching", "TreatMissingData: missing"),
    "a function of an alarm": ("{Name: FunctionName, Value: !Ref AdminFunction}", "{Name: FunctionName, Value: !Ref TokenFunction}"),
    "the dashboard": ('"title":"Throttles"', '"title":"Errors"'),
    "the schedule": ("rate(1 hour)", "rate(1 day)"),
    "memory": ("MemorySize: ", "MemorySize: 1"),
    "a function's code": ("target/lambda/revoke", "target/lambda/token"),
    "a function's log": ("LogGroup: !Ref TokenLogs", "LogGroup: !Ref RevokeLogs"),
    "the retention of logs": ("RetentionInDays: !Ref LogRetentionDays", "RetentionInDays: 1"),
    "the access log": ('"ip":"$context.identity.sourceIp"', '"path":"$context.path"'),
    "point-in-time recovery": ("PointInTimeRecoveryEnabled: true", "PointInTimeRecoveryEnabled: false"),
    "the index": ("ProjectionType: KEYS_ONLY", "ProjectionType: ALL"),
    "what becomes of the table": ("DeletionPolicy: Retain\n", "DeletionPolicy: Delete\n"),
    "what becomes of the sealing key": ("DeletionPolicy: RetainExceptOnCreate", "DeletionPolicy: Retain"),
    "the rotation of the sealing key": ("EnableKeyRotation: true", "EnableKeyRotation: false"),
    "who administers the sealing key": ("Action: kms:*", "Action: kms:Decrypt"),
    "an output": ("Value: !GetAtt AuthorizerFunction.Arn", "Value: !GetAtt TokenFunction.Arn"),
    "a default": ("    AllowedValues: ['on', 'off']\n    Default: 'off'", "    AllowedValues: ['on', 'off']\n    Default: 'on'"),
    "a condition": ("IsWatched: !Equals [!Ref Alarms, 'on']", "IsWatched: !Equals [!Ref Alarms, 'off']"),
    "one resource more": ("Resources:\n", "Resources:\n  More: {Type: AWS::SNS::Topic}\n"),
}


def in_functions(functions):
    """Changes to functions.json, which then differs from both."""
    return {
        "an action of functions.json": lambda: functions["token"]["table"].update(DeleteTable=["client#*"]),
        "a route of functions.json": lambda: functions["revoke"]["routes"].append("/oauth2/revoke-all"),
        "a seal of functions.json": lambda: functions["token"].update(seal=["Decrypt", "CreateGrant"]),
        "a function of functions.json": lambda: functions.update(more={"routes": [], "memory": 256, "timeout": 10}),
    }


def main(sam_path, functions_path, directory):
    with open(sam_path) as file:
        sam = file.read()
    with open(functions_path) as file:
        functions = file.read()
    cdk = read_cdk(f"{directory}/defaults")
    unseen = []
    if differences(sam, json.loads(functions), {}, cdk):
        sys.exit("there are differences without any change")
    for name, (old, new) in IN_SAM.items():
        if old not in sam:
            unseen.append(f"{name}: the template has no {old!r} to be changed")
        elif not differences(sam.replace(old, new, 1), json.loads(functions), {}, cdk):
            unseen.append(f"{name}: no difference was found")
    for name in in_functions({}):
        changed = json.loads(functions)
        in_functions(changed)[name]()
        if not differences(sam, changed, {}, cdk):
            unseen.append(f"{name}: no difference was found")
    if unseen:
        sys.exit("\n".join(unseen))
    print(f"each of {len(IN_SAM) + len(in_functions({}))} changes to one side is told as a difference")


if __name__ == "__main__":
    main(*sys.argv[1:])
