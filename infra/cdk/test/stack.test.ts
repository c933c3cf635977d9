import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FUNCTIONS, routePath, statements } from '../lib/functions';
import { placeholders, synth } from './synth';

const code = placeholders();
const stack = synth(code);

function properties(type: string, template = stack): any[] {
  return Object.values(template.findResources(type)).map((resource) => resource['Properties']);
}

/** The properties of a function and of its role, by the function's name. */
function deployed(name: string): { lambda: any; role: any } {
  const lambda = Object.entries(stack.findResources('AWS::Lambda::Function')).find(([id]) => id.startsWith(`Gatewright${name.replace('-', '')}Function`));
  assert.ok(lambda, name);
  const role = stack.findResources('AWS::IAM::Role')[lambda[1]['Properties'].Role['Fn::GetAtt'][0]];
  return { lambda: lambda[1]['Properties'], role: role?.['Properties'] };
}

test('the table has its index and its TTL, and stays', () => {
  // G-05
  const [table] = Object.values(stack.findResources('AWS::DynamoDB::Table'));
  assert.deepEqual(table, {
    Type: 'AWS::DynamoDB::Table',
    DeletionPolicy: 'Retain',
    UpdateReplacePolicy: 'Retain',
    Properties: {
      AttributeDefinitions: ['pk', 'sk', 'list', 'place'].map((AttributeName) => ({ AttributeName, AttributeType: 'S' })),
      BillingMode: 'PAY_PER_REQUEST',
      DeletionProtectionEnabled: true,
      GlobalSecondaryIndexes: [{
        IndexName: 'lists',
        KeySchema: [{ AttributeName: 'list', KeyType: 'HASH' }, { AttributeName: 'place', KeyType: 'RANGE' }],
        Projection: { ProjectionType: 'KEYS_ONLY' },
      }],
      KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }, { AttributeName: 'sk', KeyType: 'RANGE' }],
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      SSESpecification: { SSEEnabled: true },
      TimeToLiveSpecification: { AttributeName: 'ttl', Enabled: true },
    },
  });
});

test('the sealing key rotates, and stays', () => {
  const [key] = Object.values(stack.findResources('AWS::KMS::Key'));
  assert.equal(key?.['Properties'].EnableKeyRotation, true);
  assert.deepEqual([key?.['DeletionPolicy'], key?.['UpdateReplacePolicy']], ['RetainExceptOnCreate', 'Retain']);
});

test('rights become one statement for all actions on the same keys', () => {
  const entry = { routes: [], memory: 1, timeout: 1, table: { GetItem: ['a#*', 'b'], PutItem: ['c'], Query: ['a#*', 'b'] }, index: { Query: ['d'] }, seal: ['Decrypt'] };
  const keyed = (Action: string[], Resource: string, keys: string[]) =>
    ({ Effect: 'Allow', Action, Resource, Condition: { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': keys } } });
  assert.deepEqual(statements(entry, { tableArn: 'TABLE', sealingKeyArn: 'KEY', issuer: 'https://as.example' }), [
    keyed(['dynamodb:GetItem', 'dynamodb:Query'], 'TABLE', ['a#*', 'b']),
    keyed(['dynamodb:PutItem'], 'TABLE', ['c']),
    keyed(['dynamodb:Query'], 'TABLE/index/lists', ['d']),
    { Effect: 'Allow', Action: ['kms:Decrypt'], Resource: 'KEY', Condition: { StringEquals: { 'kms:EncryptionContext:issuer': 'https://as.example' } } },
  ]);
});

test('a function may do what functions.json says, and write its log', () => {
  for (const [name, entry] of FUNCTIONS) {
    const { lambda, role } = deployed(name);
    const rights = [...Object.keys(entry.table ?? {}), ...Object.keys(entry.index ?? {})].map((action) => `dynamodb:${action}`);
    const expected = [...rights, ...(entry.seal ?? []).map((action) => `kms:${action}`)].sort();
    assert.deepEqual(role.Policies.length, 1, name);
    const found = role.Policies[0].PolicyDocument.Statement;
    assert.deepEqual(found.flatMap((statement: any) => statement.Action).sort(), expected, name);
    assert.ok(found.every((statement: any) => statement.Effect === 'Allow' && statement.Condition && statement.Resource !== '*'), name);
    assert.match(JSON.stringify(role.ManagedPolicyArns), /^\[.*AWSLambdaBasicExecutionRole.*\]$/);
    assert.equal(role.ManagedPolicyArns.length, 1);
    assert.deepEqual([lambda.MemorySize, lambda.Timeout, lambda.Runtime, lambda.Architectures], [entry.memory, entry.timeout, 'provided.al2023', ['arm64']]);
  }
  assert.equal(properties('AWS::IAM::Role').length, FUNCTIONS.length);
});

test('every function has every variable that the configuration reads', () => {
  // HT-30
  const source = readFileSync(join(__dirname, '../../../shared/src/runtime/config.rs'), 'utf8').split('#[cfg(test)]')[0] ?? '';
  const read = new Set([...source.matchAll(/get\("(GATEWRIGHT_[A-Z_]+)"\)/g)].map((match) => match[1]));
  assert.equal(read.size, 12);
  for (const [name] of FUNCTIONS) assert.deepEqual(new Set(Object.keys(deployed(name).lambda.Environment.Variables)), read, name);
});

test('a choice reaches the functions', () => {
  const chosen = { passwordGrant: 'on', tokeninfo: 'on', adminApi: 'off', feedSeconds: '30', authorizerResponse: 'simple', log: 'debug', brandName: 'Us', issuer: 'https://as.example' };
  const [first] = properties('AWS::Lambda::Function', synth(code, chosen));
  const { GATEWRIGHT_TABLE: _table, GATEWRIGHT_KMS_KEY_ID: _key, ...variables } = first.Environment.Variables;
  assert.deepEqual(variables, {
    GATEWRIGHT_ISSUER: 'https://as.example',
    GATEWRIGHT_PASSWORD_GRANT: 'on',
    GATEWRIGHT_TOKENINFO: 'on',
    GATEWRIGHT_ADMIN_API: 'off',
    GATEWRIGHT_FEED_SECONDS: '30',
    GATEWRIGHT_AUTHORIZER_RESPONSE: 'simple',
    GATEWRIGHT_LOG: 'debug',
    GATEWRIGHT_BRAND_NAME: 'Us',
    GATEWRIGHT_BRAND_LOGO_URL: '',
    GATEWRIGHT_BRAND_COLOR: '',
  });
});

test('a bad choice stops the synthesis with a sentence', () => {
  // HT-30
  for (const [context, sentence] of [
    [{ passwordGrant: 'yes' }, 'passwordGrant must be one of on, off'],
    [{ feedSeconds: 'soon' }, 'feedSeconds must be a number'],
    [{ feedSeconds: '301' }, 'feedSeconds must be 1 to 300'],
    [{ issuer: 'http://as.example' }, 'issuer must be an https URL without query, fragment and trailing slash'],
    [{ issuer: 'https://as.example/' }, 'issuer must be an https URL without query, fragment and trailing slash'],
    [{ domainName: 'auth.example.com' }, 'domainName needs certificate, an ACM certificate of the same region'],
  ] as const) {
    assert.throws(() => synth(code, context), { message: sentence });
  }
  assert.throws(() => synth('/nowhere'), { message: '/nowhere/arm64/token/bootstrap is missing: run make build' });
});

test('the routes are those of functions.json, and of the code', () => {
  const source = readFileSync(join(__dirname, '../../../shared/src/routes.rs'), 'utf8');
  const inCode = [...source.matchAll(/\("(\/[^"]+)", Function::(\w+)\)/g)].map(([, path, name]) => `${name?.toLowerCase()} ${path}`);
  assert.deepEqual(inCode.sort(), FUNCTIONS.flatMap(([name, entry]) => entry.routes.map((path) => `${name} ${path}`)).sort());
  const expected = FUNCTIONS.flatMap(([, entry]) => entry.routes.map((path) => `ANY ${routePath(path)}`));
  assert.deepEqual(properties('AWS::ApiGatewayV2::Route').map((route) => route.RouteKey).sort(), expected.sort());
  assert.deepEqual([routePath('/.well-known/*'), routePath('/healthz')], ['/.well-known/{proxy+}', '/healthz']);
});

test('a challenge passes the front under its own name', () => {
  //
  const challenge = {
    ResponseParameters: [
      { Destination: 'overwrite:header.www-authenticate', Source: '$response.header.gatewright-challenge' },
      { Destination: 'remove:header.gatewright-challenge', Source: "''" },
    ],
  };
  const integrations = stack.findResources('AWS::ApiGatewayV2::Integration');
  for (const name of ['token', 'introspect', 'revoke', 'admin']) {
    const [found] = Object.entries(integrations).filter(([id]) => id.startsWith(`Gatewright${name}Integration`));
    assert.deepEqual(found?.[1]['Properties'].ResponseParameters, { 401: challenge, 403: challenge }, name);
  }
});

test('the access log has neither path nor query', () => {
  // SE-07
  const [stage] = properties('AWS::ApiGatewayV2::Stage');
  assert.doesNotMatch(stage.AccessLogSettings.Format, /path|query|header|body/i);
});

test('what would meet others of its kind has a name of its own', () => {
  const [dashboard] = properties('AWS::CloudWatch::Dashboard');
  assert.deepEqual(dashboard.DashboardName, { 'Fn::Join': ['', [{ Ref: 'AWS::StackName' }, '-', { Ref: 'AWS::Region' }]] });
  const named = properties('AWS::Logs::LogGroup').map((log) => log.LogGroupName).filter((name) => name !== undefined);
  assert.deepEqual(named, [{ 'Fn::Join': ['', ['/aws/vendedlogs/', { Ref: 'AWS::StackName' }]] }]);
});

test('there are six alarms, which tell whom they are given', () => {
  const names = (template: typeof stack) => Object.keys(template.findResources('AWS::CloudWatch::Alarm')).map((id) => id.slice('Gatewright'.length, -8));
  assert.deepEqual(names(stack), ['ErrorsAlarm', 'AuthorizerAlarm', 'ThrottlesAlarm', 'ServerErrorsAlarm', 'KeyAgeAlarm', 'FeedAgeAlarm']);
  const topic = 'arn:aws:sns:us-east-1:123456789012:alarms';
  for (const alarm of properties('AWS::CloudWatch::Alarm', synth(code, { alarmTopicArn: topic }))) assert.deepEqual(alarm.AlarmActions, [topic]);
  const unwatched = synth(code, { alarms: 'off' });
  assert.deepEqual([...names(unwatched), ...Object.keys(unwatched.findResources('AWS::CloudWatch::Dashboard'))], []);
});

test('any API of the account may ask the authorizer, and nobody else', () => {
  const open = properties('AWS::Lambda::Permission').filter((permission) => permission.FunctionName['Fn::GetAtt'][0].startsWith('GatewrightauthorizerFunction'));
  const arn = ['arn:', { Ref: 'AWS::Partition' }, ':execute-api:', { Ref: 'AWS::Region' }, ':', { Ref: 'AWS::AccountId' }, ':*'];
  assert.deepEqual(open.map((permission) => [permission.Principal, permission.SourceArn]), [['apigateway.amazonaws.com', { 'Fn::Join': ['', arn] }]]);
  assert.ok(properties('AWS::Lambda::Permission').every((permission) => permission.SourceArn));
});

test('a second synthesis changes nothing', () => {
  // G-05
  assert.deepEqual(JSON.stringify(synth(code).toJSON()), JSON.stringify(stack.toJSON()));
});
