import { Certificate } from 'aws-cdk-lib/aws-certificatemanager';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import { HostedZone } from 'aws-cdk-lib/aws-route53';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { GatewrightProps } from './gatewright';

/** What the SAM template has as parameters, from the context of an app: `-c domainName=auth.example -c certificateArn=...`. */
export function settings(scope: Construct): Omit<GatewrightProps, 'code'> {
  return {
    issuer: given(scope, 'issuer'),
    domainName: given(scope, 'domainName'),
    certificate: found(scope, 'certificateArn', (arn) => Certificate.fromCertificateArn(scope, 'Certificate', arn)),
    hostedZone: found(scope, 'hostedZoneId', (id) => HostedZone.fromHostedZoneId(scope, 'HostedZone', id)),
    architecture: oneOf(scope, 'architecture', { arm64: Architecture.ARM_64, x86_64: Architecture.X86_64 }),
    logRetention: number(scope, 'logRetentionDays'),
    alarms: onOff(scope, 'alarms'),
    alarmTopic: found(scope, 'alarmTopicArn', (arn) => Topic.fromTopicArn(scope, 'AlarmTopic', arn)),
    deletionProtection: onOff(scope, 'deletionProtection'),
    tableName: given(scope, 'tableName'),
    passwordGrant: onOff(scope, 'passwordGrant'),
    tokeninfo: onOff(scope, 'tokeninfo'),
    adminApi: onOff(scope, 'adminApi'),
    feedSeconds: number(scope, 'feedSeconds'),
    authorizerResponse: oneOf(scope, 'authorizerResponse', { policy: 'policy', simple: 'simple' }),
    log: oneOf(scope, 'log', { off: 'off', error: 'error', warn: 'warn', info: 'info', debug: 'debug', trace: 'trace' }),
    brandName: given(scope, 'brandName'),
    brandLogoUrl: given(scope, 'brandLogoUrl'),
    brandColor: given(scope, 'brandColor'),
  };
}

/** As among the variables, an empty value counts as unset. */
function given(scope: Construct, name: string): string | undefined {
  const value: unknown = scope.node.tryGetContext(name);
  return value === undefined || value === '' ? undefined : String(value);
}

function found<T>(scope: Construct, name: string, find: (value: string) => T): T | undefined {
  const value = given(scope, name);
  return value === undefined ? undefined : find(value);
}

function oneOf<T>(scope: Construct, name: string, values: Record<string, T>): T | undefined {
  return found(scope, name, (value) => {
    if (!(value in values)) throw new Error(`${name} must be one of ${Object.keys(values).join(', ')}`);
    return values[value];
  });
}

function onOff(scope: Construct, name: string): boolean | undefined {
  return oneOf(scope, name, { on: true, off: false });
}

function number(scope: Construct, name: string): number | undefined {
  return found(scope, name, (value) => {
    if (!/^[0-9]+$/.test(value)) throw new Error(`${name} must be a number`);
    return Number(value);
  });
}
