import { Stack, StackProps } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { Gatewright, GatewrightProps } from './gatewright';
import { settings } from './settings';

const DESCRIPTION = 'Gatewright, an OAuth 2.0 authorization server. docs/deploy.md says how to deploy it, docs/attach.md how to use its authorizer.';

/** Gatewright on its own: the same resources as infra/sam/template.yaml, which `make validate` compares. */
export class GatewrightStack extends Stack {
  constructor(scope: Construct, id: string, props: StackProps & Pick<GatewrightProps, 'code'>) {
    super(scope, id, { description: DESCRIPTION, ...props });
    new Gatewright(this, 'Gatewright', { ...settings(this), code: props.code }).addOutputs();
  }
}
