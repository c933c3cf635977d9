import { Aws } from 'aws-cdk-lib';
import * as apigatewayv2 from 'aws-cdk-lib/aws-apigatewayv2';
import type { ICertificate } from 'aws-cdk-lib/aws-certificatemanager';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as route53 from 'aws-cdk-lib/aws-route53';
import { Construct } from 'constructs';
import { arn, Deployed, routePath } from './functions';

/** The HTTP API, and where it answers without a domain of its own. */
export interface Front {
  readonly api: apigatewayv2.CfnApi;
  readonly stage: apigatewayv2.CfnStage;
  readonly endpoint: string;
}

/** What the access log says of a request. Neither path nor query: they may hold codes and tokens (SE-07). */
const ACCESS_LOG = {
  requestId: '$context.requestId',
  time: '$context.requestTime',
  ip: '$context.identity.sourceIp',
  route: '$context.routeKey',
  status: '$context.status',
  ms: '$context.responseLatency',
  error: '$context.integrationErrorMessage',
};

/** The functions that answer 401 and 403 with a challenge. */
const CHALLENGING = ['token', 'introspect', 'revoke', 'admin'];

/** The HTTP API, with its stage and access log. */
export function front(scope: Construct, logRetention: logs.RetentionDays): Front {
  const api = new apigatewayv2.CfnApi(scope, 'Api', { name: Aws.STACK_NAME, description: 'The OAuth endpoints of Gatewright', protocolType: 'HTTP' });
  // Under this prefix one entry of the account's resource policy serves all log groups; with one each, its 5,120 characters run out.
  const log = new logs.CfnLogGroup(scope, 'AccessLog', { logGroupName: `/aws/vendedlogs/${Aws.STACK_NAME}`, retentionInDays: logRetention });
  const stage = new apigatewayv2.CfnStage(scope, 'Stage', {
    apiId: api.ref,
    stageName: '$default',
    autoDeploy: true,
    accessLogSettings: { destinationArn: log.attrArn, format: JSON.stringify(ACCESS_LOG) },
  });
  return { api, stage, endpoint: `https://${api.ref}.execute-api.${Aws.REGION}.${Aws.URL_SUFFIX}` };
}

/** The routes of one function: every method, because the function says itself which ones it takes. */
export function routes(target: Deployed, api: apigatewayv2.CfnApi, paths: string[]): void {
  const integration = new apigatewayv2.CfnIntegration(target.place, 'Integration', {
    apiId: api.ref,
    integrationType: 'AWS_PROXY',
    integrationUri: target.lambda.attrArn,
    payloadFormatVersion: '2.0',
    responseParameters: CHALLENGING.includes(target.name) ? { 401: challenge(), 403: challenge() } : undefined,
  });
  for (const path of paths.map(routePath)) {
    new apigatewayv2.CfnRoute(target.place, `Route ${path}`, { apiId: api.ref, routeKey: `ANY ${path}`, target: `integrations/${integration.ref}` });
  }
  new lambda.CfnPermission(target.place, 'Permission', {
    action: 'lambda:InvokeFunction',
    functionName: target.lambda.attrArn,
    principal: 'apigateway.amazonaws.com',
    sourceArn: arn('execute-api', `${api.ref}/*`),
  });
}

/**
 * An integration's own WWW-Authenticate is renamed x-amzn-remapped-www-authenticate: the function repeats its challenge in a header of its
 * own, and this gives it the name back.
 */
function challenge(): object {
  return {
    ResponseParameters: [
      { Destination: 'overwrite:header.www-authenticate', Source: '$response.header.gatewright-challenge' },
      { Destination: 'remove:header.gatewright-challenge', Source: "''" },
    ],
  };
}

/** The API under a domain of its own, with a DNS record where the zone is given. */
export function domain(scope: Construct, front: Front, name: string, certificate: ICertificate, zone?: route53.IHostedZone): void {
  const domain = new apigatewayv2.CfnDomainName(scope, 'Domain', {
    domainName: name,
    domainNameConfigurations: [{ certificateArn: certificate.certificateArn, endpointType: 'REGIONAL', securityPolicy: 'TLS_1_2' }],
  });
  new apigatewayv2.CfnApiMapping(scope, 'DomainMapping', { apiId: front.api.ref, domainName: domain.ref, stage: front.stage.ref });
  if (!zone) return;
  new route53.CfnRecordSet(scope, 'DomainRecord', {
    hostedZoneId: zone.hostedZoneId,
    name,
    type: 'A',
    aliasTarget: { dnsName: domain.attrRegionalDomainName, hostedZoneId: domain.attrRegionalHostedZoneId },
  });
}
