import { CfnOutput, Fn, Stack, StackProps } from 'aws-cdk-lib';
import { AuthorizationType, EndpointType, LambdaIntegration, RestApi } from 'aws-cdk-lib/aws-apigateway';
import { Construct } from 'constructs';
import { Authorizer } from 'gatewright-cdk';
import { backend } from './backend';

/** A REST API behind the authorizer of a stack that is deployed already, with SAM or with CDK. */
export class OrdersRest extends Stack {
  constructor(scope: Construct, id: string, props: StackProps & { readonly gatewrightStackName: string }) {
    super(scope, id, props);
    const gatewright = Authorizer.fromArn(Fn.importValue(`${props.gatewrightStackName}-AuthorizerArn`));
    const api = new RestApi(this, 'Orders', {
      endpointTypes: [EndpointType.REGIONAL],
      deployOptions: { stageName: 'v1' },
      cloudWatchRole: false,
    });
    const options = { authorizer: gatewright.authorizerFor(api), authorizationType: AuthorizationType.CUSTOM };
    const integration = new LambdaIntegration(backend(this));
    const orders = api.root.addResource('orders');
    const order = orders.addResource('{id}');
    for (const method of ['GET', 'POST']) orders.addMethod(method, integration, options);
    for (const method of ['GET', 'DELETE']) order.addMethod(method, integration, options);

    new CfnOutput(this, 'Url', { value: `https://${api.restApiId}.execute-api.${this.region}.${this.urlSuffix}/v1` });
    new CfnOutput(this, 'Gateway', { value: `${api.restApiId}/v1` });
  }
}
