import assert from 'node:assert/strict';
import { test } from 'node:test';
import { App, Duration, Stack } from 'aws-cdk-lib';
import * as apigateway from 'aws-cdk-lib/aws-apigateway';
import * as apigatewayv2 from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpUrlIntegration, WebSocketMockIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { Template } from 'aws-cdk-lib/assertions';
import { AskOptions, Authorizer, AuthorizerResponse, Gatewright, RestOptions } from '../lib';
import { placeholders } from './synth';

const ARN = 'arn:aws:lambda:us-east-1:123456789012:function:gatewright-authorizer';

function properties(template: Template, type: string): any[] {
  return Object.values(template.findResources(type)).map((resource) => resource['Properties']);
}

function rest(options?: RestOptions): Template {
  const stack = new Stack(new App(), 'orders');
  const api = new apigateway.RestApi(stack, 'Api', { deployOptions: { stageName: 'prod' } });
  const authorizer = Authorizer.fromArn(ARN).authorizerFor(api, options);
  api.root.addProxy({ defaultIntegration: new apigateway.MockIntegration(), defaultMethodOptions: { authorizer } });
  return Template.fromStack(stack);
}

function http(response: AuthorizerResponse, options?: AskOptions): any {
  const stack = new Stack(new App(), 'orders');
  const api = new apigatewayv2.HttpApi(stack, 'Api');
  const authorizer = Authorizer.fromArn(ARN, response).authorizerFor(api, options);
  const integration = new HttpUrlIntegration('Orders', 'https://orders.example');
  for (const path of ['/orders', '/orders/{id}']) api.addRoutes({ path, integration, authorizer });
  const template = Template.fromStack(stack);
  const [found, ...more] = Object.entries(template.findResources('AWS::ApiGatewayV2::Authorizer'));
  assert.equal(more.length, 0);
  for (const route of properties(template, 'AWS::ApiGatewayV2::Route')) {
    assert.deepEqual([route.AuthorizationType, route.AuthorizerId], ['CUSTOM', { Ref: found?.[0] }]);
  }
  template.resourceCountIs('AWS::Lambda::Permission', 0);
  return found?.[1]['Properties'];
}

test('a REST API asks about every call, with or without credentials', () => {
  //
  const template = rest();
  const [authorizer] = properties(template, 'AWS::ApiGateway::Authorizer');
  assert.deepEqual([authorizer.Type, authorizer.AuthorizerResultTtlInSeconds, 'IdentitySource' in authorizer], ['REQUEST', 0, false]);
  assert.match(JSON.stringify(authorizer.AuthorizerUri), /gatewright-authorizer\/invocations/);
  const [method] = properties(template, 'AWS::ApiGateway::Method');
  assert.equal(method.AuthorizationType, 'CUSTOM');
  template.resourceCountIs('AWS::Lambda::Permission', 0);
});

test('the gateway responses of a REST API carry the challenges', () => {
  // AU-30, X-01, X-03
  const said = (template: Template) =>
    Object.fromEntries(properties(template, 'AWS::ApiGateway::GatewayResponse').map((response) => {
      const { 'gatewayresponse.header.Cache-Control': cache, ...challenge } = response.ResponseParameters;
      assert.equal(cache, "'no-store'");
      assert.deepEqual(Object.keys(response.ResponseTemplates), ['application/json']);
      return [response.ResponseType, [response.StatusCode, response.ResponseTemplates['application/json'], ...Object.entries(challenge).flat()]];
    }));
  const header = 'gatewayresponse.header.WWW-Authenticate';
  const bearer = `'Bearer realm="gatewright"'`;
  const expected = {
    UNAUTHORIZED: ['401', '{"message":"Unauthorized"}', header, bearer],
    ACCESS_DENIED: ['403', '{"message":"Forbidden"}', header, 'context.authorizer.challenge'],
    MISSING_AUTHENTICATION_TOKEN: ['403', '{"message":"Forbidden"}', header, bearer],
    AUTHORIZER_FAILURE: ['500', '{"message":"Internal server error"}'],
    AUTHORIZER_CONFIGURATION_ERROR: ['500', '{"message":"Internal server error"}'],
  };
  assert.deepEqual(said(rest()), expected);
  const both = `'Bearer realm="gatewright", Basic realm="gatewright", charset="UTF-8"'`;
  assert.deepEqual(said(rest({ basic: true })), {
    ...expected,
    UNAUTHORIZED: ['401', '{"message":"Unauthorized"}', header, both],
    MISSING_AUTHENTICATION_TOKEN: ['403', '{"message":"Forbidden"}', header, both],
  });
});

test('the API key of usage plans comes from the authorizer only where that is asked for', () => {
  // AU-27
  const source = (options?: RestOptions) => properties(rest(options), 'AWS::ApiGateway::RestApi')[0].ApiKeySourceType;
  assert.deepEqual([source(), source({ basic: true }), source({ usagePlans: true })], [undefined, undefined, 'AUTHORIZER']);
});

test('a cached answer of a REST API is used for one method and path', () => {
  // X-07, AU-12
  const [authorizer] = properties(rest({ cache: Duration.minutes(1) }), 'AWS::ApiGateway::Authorizer');
  assert.deepEqual(authorizer.IdentitySource, 'method.request.header.Authorization,context.httpMethod,context.path');
  assert.equal(authorizer.AuthorizerResultTtlInSeconds, 60);
});

test('an HTTP API asks about every call, in the form that the function answers in', () => {
  // AU-15
  for (const response of ['policy', 'simple'] as const) {
    const { ApiId: _api, AuthorizerUri: _uri, ...authorizer } = http(response);
    assert.deepEqual(authorizer, {
      Name: 'gatewright',
      AuthorizerType: 'REQUEST',
      AuthorizerPayloadFormatVersion: '2.0',
      AuthorizerResultTtlInSeconds: 0,
      EnableSimpleResponses: response === 'simple',
    });
  }
});

test('a cached yes of an HTTP API is used for one route, method and path', () => {
  // AU-15
  const authorizer = http('simple', { cache: Duration.seconds(30) });
  assert.deepEqual(authorizer.IdentitySource, ['$request.header.Authorization', '$context.routeKey', '$context.httpMethod', '$context.path']);
  assert.equal(authorizer.AuthorizerResultTtlInSeconds, 30);
});

test('a WebSocket API asks when somebody connects', () => {
  const stack = new Stack(new App(), 'chat');
  const api = new apigatewayv2.WebSocketApi(stack, 'Api');
  const authorizer = Authorizer.fromArn(ARN).authorizerFor(api);
  api.addRoute('$connect', { integration: new WebSocketMockIntegration('Connect'), authorizer });
  const template = Template.fromStack(stack);
  const [id] = Object.keys(template.findResources('AWS::ApiGatewayV2::Authorizer'));
  const [{ ApiId: _api, AuthorizerUri: _uri, ...found }] = properties(template, 'AWS::ApiGatewayV2::Authorizer') as [any];
  assert.deepEqual(found, { Name: 'gatewright', AuthorizerType: 'REQUEST' });
  const [route] = properties(template, 'AWS::ApiGatewayV2::Route');
  assert.deepEqual([route.RouteKey, route.AuthorizationType, route.AuthorizerId], ['$connect', 'CUSTOM', { Ref: id }]);
});

test('an app has the authorization server and the API that it protects in one stack', () => {
  const stack = new Stack(new App(), 'shop');
  const gatewright = new Gatewright(stack, 'Auth', { code: placeholders() });
  const api = new apigateway.RestApi(stack, 'Orders');
  api.root.addMethod('GET', new apigateway.MockIntegration(), { authorizer: gatewright.authorizerFor(api) });
  const template = Template.fromStack(stack);
  const [authorizer] = properties(template, 'AWS::ApiGateway::Authorizer');
  const function_ = Object.keys(template.findResources('AWS::Lambda::Function')).find((id) => id.startsWith('AuthauthorizerFunction'));
  assert.deepEqual(authorizer.AuthorizerUri['Fn::Join'][1].at(-2), { 'Fn::GetAtt': [function_, 'Arn'] });
});

test('what is none of the three APIs is refused', () => {
  const api = new Stack(new App(), 'orders') as unknown as apigatewayv2.HttpApi;
  assert.throws(() => Authorizer.fromArn(ARN).authorizerFor(api), /takes a RestApi, an HttpApi or a WebSocketApi/);
});
