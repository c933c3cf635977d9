import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Aws, CfnOutput, RemovalPolicy, Token } from 'aws-cdk-lib';
import type * as apigateway from 'aws-cdk-lib/aws-apigateway';
import type * as apigatewayv2 from 'aws-cdk-lib/aws-apigatewayv2';
import type { ICertificate } from 'aws-cdk-lib/aws-certificatemanager';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as events from 'aws-cdk-lib/aws-events';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import type { IHostedZone } from 'aws-cdk-lib/aws-route53';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { AskOptions, Authorizer, AuthorizerResponse, RestOptions } from './authorizer';
import { domain, front, routes } from './front';
import { arn, Deployed, DESCRIPTIONS, FUNCTIONS, statements } from './functions';
import { alarms, dashboard } from './watch';

/** What can be chosen about a deployment. Only `code` must be. */
export interface GatewrightProps {
  /** The directory that `make build` fills, `target/lambda` of a checkout: `<code>/<architecture>/<function>/bootstrap`. */
  readonly code: string;
  /**
   * Who issues the tokens: an https URL without a trailing slash. It is in every token, and a key that was sealed for one issuer opens for no other.
   *
   * @default - `https://<domainName>`, or else the HTTP API's own URL
   */
  readonly issuer?: string;
  /**
   * A domain for the endpoints; needs `certificate`.
   *
   * @default - the HTTP API's own URL
   */
  readonly domainName?: string;
  /** The certificate of `domainName`, in the same region. */
  readonly certificate?: ICertificate;
  /**
   * The zone in which `domainName` becomes an alias record.
   *
   * @default - no record is made
   */
  readonly hostedZone?: IHostedZone;
  /**
   * What the functions run on.
   *
   * @default Architecture.ARM_64
   */
  readonly architecture?: lambda.Architecture;
  /**
   * How long logs are kept.
   *
   * @default RetentionDays.ONE_MONTH
   */
  readonly logRetention?: logs.RetentionDays;
  /**
   * Whether there are alarms and a dashboard; what they cost is in docs/cost.md.
   *
   * @default true
   */
  readonly alarms?: boolean;
  /**
   * Who is told by the alarms.
   *
   * @default - nobody: the alarms only change their state
   */
  readonly alarmTopic?: ITopic;
  /**
   * Whether the table refuses to be deleted. It and the key stay when the stack goes, either way.
   *
   * @default true
   */
  readonly deletionProtection?: boolean;
  /**
   * `GATEWRIGHT_TABLE`.
   *
   * @default - a generated name
   */
  readonly tableName?: string;
  /**
   * `GATEWRIGHT_PASSWORD_GRANT`: the server's switch of the password grant.
   *
   * @default false
   */
  readonly passwordGrant?: boolean;
  /**
   * `GATEWRIGHT_TOKENINFO`: the OAG-style `/oauth2/tokeninfo`.
   *
   * @default false
   */
  readonly tokeninfo?: boolean;
  /**
   * `GATEWRIGHT_ADMIN_API`: whether `/admin` exists.
   *
   * @default true
   */
  readonly adminApi?: boolean;
  /**
   * `GATEWRIGHT_FEED_SECONDS`: how old an authorizer's view may be, 1 to 300.
   *
   * @default 5
   */
  readonly feedSeconds?: number;
  /**
   * `GATEWRIGHT_AUTHORIZER_RESPONSE`: what the authorizer answers to HTTP APIs.
   *
   * @default 'policy'
   */
  readonly authorizerResponse?: AuthorizerResponse;
  /**
   * `GATEWRIGHT_LOG`: what is logged. With `off` the authorizer's alarm does not hear of calls that could not be decided.
   *
   * @default 'info'
   */
  readonly log?: 'off' | 'error' | 'warn' | 'info' | 'debug' | 'trace';
  /** `GATEWRIGHT_BRAND_NAME`: the name on the sign-in pages, at most 60 characters. */
  readonly brandName?: string;
  /** `GATEWRIGHT_BRAND_LOGO_URL`: the logo on the sign-in pages, an https URL. */
  readonly brandLogoUrl?: string;
  /** `GATEWRIGHT_BRAND_COLOR`: the colour of the sign-in pages, `#rrggbb`. */
  readonly brandColor?: string;
}

/**
 * An authorization server: its table, its key, its functions, the HTTP API in front of them, and what watches over them. At most one in a stack:
 * the access log and the dashboard have the stack's name.
 */
export class Gatewright extends Construct {
  /** Who issues the tokens. */
  readonly issuer: string;
  /** The table's name. */
  readonly tableName: string;
  /** What seals the private signing keys. */
  readonly sealingKeyId: string;
  /** The id of the HTTP API. */
  readonly apiId: string;
  /** The authorizer's ARN, for stacks that attach it with `Authorizer.fromArn`. */
  readonly authorizerArn: string;

  /** What to type once after the first deployment, with credentials in the environment. */
  readonly nextCommand: string;

  private readonly authorizer: Authorizer;

  constructor(scope: Construct, id: string, props: GatewrightProps) {
    super(scope, id);
    refuse(props);
    const logRetention = props.logRetention ?? logs.RetentionDays.ONE_MONTH;
    const architecture = props.architecture ?? lambda.Architecture.ARM_64;

    const table = new dynamodb.CfnTable(this, 'Table', tableProps(props));
    table.applyRemovalPolicy(RemovalPolicy.RETAIN);
    const key = new kms.CfnKey(this, 'SealingKey', keyProps());
    // Of a deployment that fails nothing is sealed yet.
    key.applyRemovalPolicy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE);
    const http = front(this, logRetention);
    this.issuer = props.issuer ?? (props.domainName ? `https://${props.domainName}` : http.endpoint);
    if (props.domainName && props.certificate) domain(this, http, props.domainName, props.certificate, props.hostedZone);

    const environment = { variables: variables(props, this.issuer, table.ref, key.ref) };
    const resources = { tableArn: table.attrArn, sealingKeyArn: key.attrArn, issuer: this.issuer };
    const functions = FUNCTIONS.map(([name, entry]): Deployed => {
      const place = new Construct(this, name);
      const log = new logs.CfnLogGroup(place, 'Logs', { retentionInDays: logRetention });
      const role = new iam.CfnRole(place, 'Role', roleProps(statements(entry, resources)));
      const made = new lambda.CfnFunction(place, 'Function', {
        description: DESCRIPTIONS[name],
        code: code(place, props.code, architecture, name),
        runtime: 'provided.al2023',
        handler: 'bootstrap',
        architectures: [architecture.name],
        memorySize: entry.memory,
        timeout: entry.timeout,
        role: role.attrArn,
        environment,
        loggingConfig: { logGroup: log.ref },
      });
      const deployed = { name, place, lambda: made, logs: log };
      if (entry.routes.length > 0) routes(deployed, http.api, entry.routes);
      return deployed;
    });
    const authorizer = one(functions, 'authorizer');
    openToApis(authorizer);
    schedule(one(functions, 'rotate-keys'));

    if (props.alarms ?? true) {
      const watched = { functions, authorizer, apiId: http.api.ref, tableName: table.ref, feedSeconds: props.feedSeconds ?? 5 };
      alarms(this, watched, props.alarmTopic);
      dashboard(this, watched);
    }

    this.tableName = table.ref;
    this.sealingKeyId = key.ref;
    this.apiId = http.api.ref;
    this.authorizerArn = authorizer.lambda.attrArn;
    this.nextCommand = `AWS_REGION=${Aws.REGION} GATEWRIGHT_ISSUER=${this.issuer} GATEWRIGHT_TABLE=${table.ref} GATEWRIGHT_KMS_KEY_ID=${key.ref} gatewright bootstrap`;
    this.authorizer = Authorizer.fromArn(this.authorizerArn, props.authorizerResponse);
  }

  /** Gives the stack the outputs that docs/deploy.md goes on with, under these very names. */
  addOutputs(): void {
    const output = (name: string, value: string, description: string, exportName?: string) =>
      new CfnOutput(this, name, { value, description, exportName }).overrideLogicalId(name);
    output('Issuer', this.issuer, 'The issuer');
    output('ApiId', this.apiId, 'The HTTP API of the endpoints');
    output('TableName', this.tableName, 'The table');
    output('SealingKeyId', this.sealingKeyId, 'The KMS key that seals the signing keys');
    output('AuthorizerArn', this.authorizerArn, 'The authorizer, for your own APIs (docs/attach.md)', `${Aws.STACK_NAME}-AuthorizerArn`);
    output('NextCommand', this.nextCommand, 'What to type next, with credentials in the environment; it makes the first admin client and the first signing key');
  }

  /** For a REST API: also adds the gateway responses that say 401 and 403 as RFC 6750 has it. Call it once for an API. */
  authorizerFor(api: apigateway.RestApi, options?: RestOptions): apigateway.RequestAuthorizer;
  /** For an HTTP API. Its 401 and 403 are its own and cannot be given a challenge. */
  authorizerFor(api: apigatewayv2.HttpApi, options?: AskOptions): apigatewayv2.IHttpRouteAuthorizer;
  /** For the `$connect` route of a WebSocket API. */
  authorizerFor(api: apigatewayv2.WebSocketApi): apigatewayv2.IWebSocketRouteAuthorizer;
  authorizerFor(api: any, options?: RestOptions): any {
    return this.authorizer.authorizerFor(api, options);
  }
}

/** What the functions would refuse at their start, or CloudFormation in the middle of a deployment. */
function refuse(props: GatewrightProps): void {
  const { issuer, feedSeconds } = props;
  if (props.domainName && !props.certificate) throw new Error('domainName needs certificate, an ACM certificate of the same region');
  if (issuer !== undefined && !Token.isUnresolved(issuer) && !ISSUER.test(issuer)) {
    throw new Error('issuer must be an https URL without query, fragment and trailing slash');
  }
  if (feedSeconds !== undefined && !Token.isUnresolved(feedSeconds) && !(feedSeconds >= 1 && feedSeconds <= 300)) {
    throw new Error('feedSeconds must be 1 to 300');
  }
}

/** http only on the loopback address, where the stack is deployed to an emulator. */
const ISSUER = /^(https:\/\/[^?#]+[^?#/]|http:\/\/127\.0\.0\.1:[0-9]+)$/;

function tableProps(props: GatewrightProps): dynamodb.CfnTableProps {
  const text = (attributeName: string) => ({ attributeName, attributeType: 'S' });
  return {
    tableName: props.tableName,
    billingMode: 'PAY_PER_REQUEST',
    attributeDefinitions: ['pk', 'sk', 'list', 'place'].map(text),
    keySchema: [{ attributeName: 'pk', keyType: 'HASH' }, { attributeName: 'sk', keyType: 'RANGE' }],
    globalSecondaryIndexes: [{
      indexName: 'lists',
      keySchema: [{ attributeName: 'list', keyType: 'HASH' }, { attributeName: 'place', keyType: 'RANGE' }],
      projection: { projectionType: 'KEYS_ONLY' },
    }],
    timeToLiveSpecification: { attributeName: 'ttl', enabled: true },
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    sseSpecification: { sseEnabled: true },
    deletionProtectionEnabled: props.deletionProtection ?? true,
  };
}

function keyProps(): kms.CfnKeyProps {
  return {
    description: 'Seals the private signing keys of Gatewright. Without it they are lost, and with them every token.',
    enableKeyRotation: true,
    keyPolicy: {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { AWS: `arn:${Aws.PARTITION}:iam::${Aws.ACCOUNT_ID}:root` }, Action: 'kms:*', Resource: '*' }],
    },
  };
}

/** Every variable that the functions read; an empty one counts as unset. */
function variables(props: GatewrightProps, issuer: string, table: string, key: string): Record<string, string> {
  const feedSeconds = props.feedSeconds ?? 5;
  return {
    GATEWRIGHT_ISSUER: issuer,
    GATEWRIGHT_TABLE: table,
    GATEWRIGHT_KMS_KEY_ID: key,
    GATEWRIGHT_PASSWORD_GRANT: onOff(props.passwordGrant ?? false),
    GATEWRIGHT_TOKENINFO: onOff(props.tokeninfo ?? false),
    GATEWRIGHT_ADMIN_API: onOff(props.adminApi ?? true),
    GATEWRIGHT_FEED_SECONDS: String(feedSeconds),
    GATEWRIGHT_AUTHORIZER_RESPONSE: props.authorizerResponse ?? 'policy',
    GATEWRIGHT_LOG: props.log ?? 'info',
    GATEWRIGHT_BRAND_NAME: props.brandName ?? '',
    GATEWRIGHT_BRAND_LOGO_URL: props.brandLogoUrl ?? '',
    GATEWRIGHT_BRAND_COLOR: props.brandColor ?? '',
  };
}

function onOff(on: boolean): string {
  return on ? 'on' : 'off';
}

/** The built function as an asset. */
function code(scope: Construct, directory: string, architecture: lambda.Architecture, name: string): lambda.CfnFunction.CodeProperty {
  const path = join(directory, architecture === lambda.Architecture.ARM_64 ? 'arm64' : 'x86_64', name);
  if (!existsSync(join(path, 'bootstrap'))) throw new Error(`${join(path, 'bootstrap')} is missing: run make build`);
  const asset = new Asset(scope, 'Code', { path, displayName: name, deployTime: true });
  return { s3Bucket: asset.s3BucketName, s3Key: asset.s3ObjectKey };
}

function roleProps(statements: object[]): iam.CfnRoleProps {
  return {
    assumeRolePolicyDocument: {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { Service: ['lambda.amazonaws.com'] }, Action: ['sts:AssumeRole'] }],
    },
    managedPolicyArns: [`arn:${Aws.PARTITION}:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole`],
    policies: [{ policyName: 'gatewright', policyDocument: { Version: '2012-10-17', Statement: statements } }],
  };
}

function one(functions: Deployed[], name: string): Deployed {
  const found = functions.find((deployed) => deployed.name === name);
  if (!found) throw new Error(`functions.json lists no ${name}`);
  return found;
}

/** Any API of the account may ask the authorizer, so that other stacks can attach it by its ARN. */
function openToApis(authorizer: Deployed): void {
  new lambda.CfnPermission(authorizer.place, 'Permission', {
    action: 'lambda:InvokeFunction',
    functionName: authorizer.lambda.attrArn,
    principal: 'apigateway.amazonaws.com',
    sourceArn: arn('execute-api', '*'),
  });
}

/** Keys rotate ahead of use: a run that finds nothing to do changes nothing. */
function schedule(rotateKeys: Deployed): void {
  const rule = new events.CfnRule(rotateKeys.place, 'Schedule', {
    description: 'Publishes the next signing key ahead of its use and drops what no token refers to',
    scheduleExpression: 'rate(1 hour)',
    targets: [{ id: 'rotate-keys', arn: rotateKeys.lambda.attrArn }],
  });
  new lambda.CfnPermission(rotateKeys.place, 'Permission', {
    action: 'lambda:InvokeFunction',
    functionName: rotateKeys.lambda.attrArn,
    principal: 'events.amazonaws.com',
    sourceArn: rule.attrArn,
  });
}
