import { Aws, CfnOutput, Stack, StackProps } from 'aws-cdk-lib';
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import { HostedZone } from 'aws-cdk-lib/aws-route53';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { Gatewright, GatewrightProps } from './gatewright';

const DESCRIPTION = 'Gatewright, an OAuth 2.0 authorization server. docs/deploy.md says how to deploy it, docs/attach.md how to use its authorizer.';

/** Gatewright on its own: the same resources as infra/sam/template.yaml, which `make validate` compares. */
export class GatewrightStack extends Stack {
  constructor(scope: Construct, id: string, props: StackProps & Pick<GatewrightProps, 'code'>) {
    super(scope, id, { description: DESCRIPTION, ...props });
    const gatewright = new Gatewright(this, 'Gatewright', { ...this.settings(), code: props.code });
    const output = (name: string, value: string, description: string, exportName?: string) =>
      new CfnOutput(this, `${name}Output`, { value, description, exportName }).overrideLogicalId(name);

    output('Issuer', gatewright.issuer, 'The issuer');
    output('ApiId', gatewright.apiId, 'The HTTP API of the endpoints');
    output('TableName', gatewright.tableName, 'The table');
    output('SealingKeyId', gatewright.sealingKeyId, 'The KMS key that seals the signing keys');
    output('AuthorizerArn', gatewright.authorizerArn, 'The authorizer, for your own APIs (docs/attach.md)', `${Aws.STACK_NAME}-AuthorizerArn`);
    output('NextCommand', gatewright.nextCommand, 'What to type next, with credentials in the environment; it makes the first admin client and the first signing key');
  }

  /** The parameters of the SAM template, as context: `-c domainName=auth.example -c certificateArn=...`. */
  private settings(): Omit<GatewrightProps, 'code'> {
    const certificate = this.given('certificateArn');
    const zone = this.given('hostedZoneId');
    const topic = this.given('alarmTopicArn');
    return {
      issuer: this.given('issuer'),
      domainName: this.given('domainName'),
      certificate: certificate === undefined ? undefined : Certificate.fromCertificateArn(this, 'Certificate', certificate),
      hostedZone: zone === undefined ? undefined : HostedZone.fromHostedZoneId(this, 'Zone', zone),
      architecture: this.oneOf('architecture', { arm64: Architecture.ARM_64, x86_64: Architecture.X86_64 }),
      logRetention: this.number('logRetentionDays'),
      alarms: this.switch('alarms'),
      alarmTopic: topic === undefined ? undefined : Topic.fromTopicArn(this, 'Topic', topic),
      deletionProtection: this.switch('deletionProtection'),
      tableName: this.given('tableName'),
      passwordGrant: this.switch('passwordGrant'),
      tokeninfo: this.switch('tokeninfo'),
      adminApi: this.switch('adminApi'),
      feedSeconds: this.number('feedSeconds'),
      authorizerResponse: this.oneOf('authorizerResponse', { policy: 'policy', simple: 'simple' }),
      log: this.oneOf('log', { off: 'off', error: 'error', warn: 'warn', info: 'info', debug: 'debug', trace: 'trace' }),
      brandName: this.given('brandName'),
      brandLogoUrl: this.given('brandLogoUrl'),
      brandColor: this.given('brandColor'),
    };
  }

  private given(name: string): string | undefined {
    const value: unknown = this.node.tryGetContext(name);
    return value === undefined || value === '' ? undefined : String(value);
  }

  private oneOf<T>(name: string, values: Record<string, T>): T | undefined {
    const given = this.given(name);
    if (given !== undefined && !(given in values)) throw new Error(`${name} must be one of ${Object.keys(values).join(', ')}`);
    return given === undefined ? undefined : values[given];
  }

  private switch(name: string): boolean | undefined {
    return this.oneOf(name, { on: true, off: false });
  }

  private number(name: string): number | undefined {
    const given = this.given(name);
    if (given !== undefined && !/^[0-9]+$/.test(given)) throw new Error(`${name} must be a number`);
    return given === undefined ? undefined : Number(given);
  }
}
