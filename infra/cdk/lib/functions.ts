import { Aws } from 'aws-cdk-lib';
import type { CfnFunction } from 'aws-cdk-lib/aws-lambda';
import type { CfnLogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import entries from '../functions.json';

/** What functions.json says of one function. */
export interface FunctionEntry {
  /** The paths that it serves, as `shared/src/routes.rs` writes them. */
  readonly routes: string[];
  /** Megabytes. */
  readonly memory: number;
  /** Seconds. */
  readonly timeout: number;
  /** Each DynamoDB action, and the partition keys that it is allowed on. */
  readonly table?: Record<string, string[]>;
  /** The same on the index `lists`. */
  readonly index?: Record<string, string[]>;
  /** The KMS actions on the sealing key. */
  readonly seal?: string[];
}

/** All functions by name, in the order of functions.json. */
export const FUNCTIONS: [string, FunctionEntry][] = Object.entries(entries as Record<string, FunctionEntry>);

/** What each function is, for people who look at the account. */
export const DESCRIPTIONS: Record<string, string> = {
  token: 'Gatewright, POST /oauth2/token',
  introspect: 'Gatewright, POST /oauth2/introspect, /oauth2/tokeninfo, /oauth2/diagnose',
  revoke: 'Gatewright, POST /oauth2/revoke',
  authorize: 'Gatewright, /oauth2/authorize, with the sign-in and consent pages',
  metadata: 'Gatewright, /.well-known/... and /healthz',
  authorizer: 'Gatewright, the request authorizer of API Gateway',
  admin: 'Gatewright, /admin/v1',
  'rotate-keys': 'Gatewright, the schedule of key rotation',
};

/** A path of functions.json as API Gateway spells it. */
export function routePath(path: string): string {
  return path.replace(/\*$/, '{proxy+}');
}

/** A function in a stack. */
export interface Deployed {
  readonly name: string;
  /** The construct that holds what belongs to the function. */
  readonly place: Construct;
  readonly lambda: CfnFunction;
  readonly logs: CfnLogGroup;
}

/** What a function's policy is about. */
export interface Resources {
  readonly tableArn: string;
  readonly sealingKeyArn: string;
  readonly issuer: string;
}

/** The statements of a function's policy: exactly what functions.json lists. */
export function statements(entry: FunctionEntry, resources: Resources): object[] {
  const onTable = keyed(entry.table, resources.tableArn);
  const onIndex = keyed(entry.index, `${resources.tableArn}/index/lists`);
  const onKey = (entry.seal ?? []).length === 0 ? [] : [{
    Effect: 'Allow',
    Action: entry.seal?.map((action) => `kms:${action}`),
    Resource: resources.sealingKeyArn,
    // A key is sealed for one issuer and opens for no other.
    Condition: { StringEquals: { 'kms:EncryptionContext:issuer': resources.issuer } },
  }];
  return [...onTable, ...onIndex, ...onKey];
}

/** One statement for all actions that are allowed on the same keys. */
function keyed(actions: Record<string, string[]> = {}, resource: string): object[] {
  const groups = new Map<string, { actions: string[]; keys: string[] }>();
  for (const [action, keys] of Object.entries(actions)) {
    const group = groups.get(keys.join()) ?? { actions: [], keys };
    group.actions.push(`dynamodb:${action}`);
    groups.set(keys.join(), group);
  }
  return [...groups.values()].map((group) => ({
    Effect: 'Allow',
    Action: group.actions,
    Resource: resource,
    Condition: { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': group.keys } },
  }));
}

/** `arn:...` of something in this account and region. */
export function arn(service: string, resource: string): string {
  return `arn:${Aws.PARTITION}:${service}:${Aws.REGION}:${Aws.ACCOUNT_ID}:${resource}`;
}
