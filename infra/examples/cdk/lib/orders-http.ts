import { CfnOutput, Stack, StackProps } from 'aws-cdk-lib';
import { HttpApi, HttpMethod } from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { Construct } from 'constructs';
import { Gatewright } from 'gatewright-cdk';
import { backend } from './backend';

/** An HTTP API and the authorization server that protects it, in one stack. */
export class OrdersHttp extends Stack {
  constructor(scope: Construct, id: string, props: StackProps & { readonly code: string }) {
    super(scope, id, props);
    const auth = new Gatewright(this, 'Auth', { code: props.code });
    const api = new HttpApi(this, 'Orders');
    const route = { authorizer: auth.authorizerFor(api), integration: new HttpLambdaIntegration('Orders', backend(this)) };
    api.addRoutes({ ...route, path: '/orders', methods: [HttpMethod.GET, HttpMethod.POST] });
    api.addRoutes({ ...route, path: '/orders/{id}', methods: [HttpMethod.GET, HttpMethod.DELETE] });

    new CfnOutput(this, 'Issuer', { value: auth.issuer });
    new CfnOutput(this, 'TableName', { value: auth.tableName });
    new CfnOutput(this, 'SealingKeyId', { value: auth.sealingKeyId });
    new CfnOutput(this, 'Url', { value: api.apiEndpoint });
    new CfnOutput(this, 'GatewayOfOrders', { value: `${api.apiId}/$default` });
  }
}
