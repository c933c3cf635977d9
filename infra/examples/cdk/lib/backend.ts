import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';

/** A backend that says who called. A REST API has the authorizer's context in `authorizer`, an HTTP API in `authorizer.lambda`. */
export function backend(scope: Construct): lambda.Function {
  return new lambda.Function(scope, 'Backend', {
    runtime: lambda.Runtime.PYTHON_3_13,
    handler: 'index.handler',
    code: lambda.Code.fromInline([
      'import json',
      '',
      'def handler(event, context):',
      '    context = event["requestContext"]',
      '    authorizer = context.get("authorizer") or {}',
      '    http = context.get("http") or {"method": event["httpMethod"], "path": event["path"]}',
      '    body = {"method": http["method"], "path": http["path"], "principal": authorizer.get("lambda", authorizer)}',
      '    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(body)}',
    ].join('\n')),
  });
}
