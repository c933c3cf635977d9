import { CfnOutput, Stack, StackProps } from 'aws-cdk-lib';
import { HttpApi, HttpMethod } from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { Construct } from 'constructs';
import { Gatewright, settings } from 'gatewright-cdk';
import { backend } from './backend';

/** An HTTP API and the authorization server that protects it, in one stack; its settings are in the context (`-c domainName=...`). */
export class OrdersHttp extends Stack {
  constructor(scope: Construct, id: string, props: StackProps & { readonly code: string }) {
    super(scope, id, props);
    const auth = new Gatewright(this, 'Auth', { ...settings(this), code: props.code });
    const api = new HttpApi(this, 'Orders');
    const route = { authorizer: auth.authorizerFor(api), integration: new HttpLambdaIntegration('Orders', backend(this)) };
    api.addRoutes({ ...route, path: '/orders', methods: [HttpMethod.GET, HttpMethod.POST] });
    api.addRoutes({ ...route, path: '/orders/{id}', methods: [HttpMethod.GET, HttpMethod.DELETE] });

    auth.addOutputs();
    new CfnOutput(this, 'Url', { value: api.apiEndpoint });
    new CfnOutput(this, 'Gateway', { value: `${api.apiId}/$default` });
  }
}
