import { Aws, Duration } from 'aws-cdk-lib';
import * as apigateway from 'aws-cdk-lib/aws-apigateway';
import * as apigatewayv2 from 'aws-cdk-lib/aws-apigatewayv2';
import * as lambda from 'aws-cdk-lib/aws-lambda';

/** What the authorizer answers to an HTTP API: `GATEWRIGHT_AUTHORIZER_RESPONSE` of its stack. */
export type AuthorizerResponse = 'policy' | 'simple';

/** How an API asks the authorizer. */
export interface AskOptions {
  /**
   * How long the gateway may use an answer again, for the same credentials, method and path. A revocation takes that much longer, and calls
   * without an `Authorization` header are 401 before the authorizer sees them: public routes need credentials then.
   *
   * @default - every call is asked about
   */
  readonly cache?: Duration;
}

/** How a REST API asks the authorizer, and what it says where that one refuses. */
export interface RestOptions extends AskOptions {
  /**
   * The 401 asks for Basic credentials beside a Bearer token: for Apis with `basic_auth`.
   *
   * @default false
   */
  readonly basic?: boolean;
  /**
   * The API key of usage plans is the `usage_identifier_key` of the client that calls, not a header of the caller's.
   *
   * @default false - the API's own setting stays
   */
  readonly usagePlans?: boolean;
}

/** The authorizer function, to be attached to the routes of an API. */
export class Authorizer {
  /**
   * The authorizer of a stack that is deployed already, by its output `AuthorizerArn`. Its permission lets every API of the account and region
   * ask it, so nothing is added to that stack.
   *
   * @param response what that stack sets `GATEWRIGHT_AUTHORIZER_RESPONSE` to
   */
  static fromArn(arn: string, response: AuthorizerResponse = 'policy'): Authorizer {
    return new Authorizer(arn, response);
  }

  private constructor(private readonly arn: string, private readonly response: AuthorizerResponse) {}

  /** For a REST API: also adds the gateway responses that say 401 and 403 as RFC 6750 has it, once. */
  authorizerFor(api: apigateway.RestApi, options?: RestOptions): apigateway.RequestAuthorizer;
  /** For an HTTP API. Its 401 and 403 are its own and cannot be given a challenge. */
  authorizerFor(api: apigatewayv2.HttpApi, options?: AskOptions): apigatewayv2.IHttpRouteAuthorizer;
  /** For the `$connect` route of a WebSocket API. */
  authorizerFor(api: apigatewayv2.WebSocketApi): apigatewayv2.IWebSocketRouteAuthorizer;
  authorizerFor(api: apigateway.RestApi | apigatewayv2.HttpApi | apigatewayv2.WebSocketApi, options: RestOptions = {}):
    apigateway.RequestAuthorizer | apigatewayv2.IHttpRouteAuthorizer | apigatewayv2.IWebSocketRouteAuthorizer {
    // By what they have, not by `instanceof`: an app that links this package has two copies of aws-cdk-lib.
    if ('restApiId' in api) return this.forRest(api, options);
    if ('httpApiId' in api) return this.forHttp(api, options);
    if ('webSocketApiName' in api) return this.forWebSocket(api);
    throw new Error('authorizerFor takes a RestApi, an HttpApi or a WebSocketApi');
  }

  private forRest(api: apigateway.RestApi, options: RestOptions): apigateway.RequestAuthorizer {
    addGatewayResponses(api, options.basic ?? false);
    if (options.usagePlans) {
      (api.node.defaultChild as apigateway.CfnRestApi).apiKeySourceType = apigateway.ApiKeySourceType.AUTHORIZER;
    }
    const seconds = options.cache?.toSeconds() ?? 0;
    const authorizer = new apigateway.RequestAuthorizer(api, 'Gatewright', {
      handler: lambda.Function.fromFunctionAttributes(api, 'GatewrightFunction', { functionArn: this.arn, skipPermissions: true }),
      resultsCacheTtl: Duration.seconds(seconds),
      identitySources: seconds === 0 ? [] : [
        apigateway.IdentitySource.header('Authorization'),
        apigateway.IdentitySource.context('httpMethod'),
        apigateway.IdentitySource.context('path'),
      ],
    });
    if (seconds === 0) {
      // Not even an empty one: with an identity source the gateway answers calls without credentials itself (X-02).
      (authorizer.node.defaultChild as apigateway.CfnAuthorizer).identitySource = undefined;
    }
    return authorizer;
  }

  private forHttp(api: apigatewayv2.HttpApi, options: AskOptions): apigatewayv2.IHttpRouteAuthorizer {
    const seconds = options.cache?.toSeconds() ?? 0;
    // One level-1 resource: HttpLambdaAuthorizer asks for policies with payload 1.0 and always names an identity source.
    const authorizer = new apigatewayv2.CfnAuthorizer(api, 'Gatewright', {
      apiId: api.apiId,
      name: 'gatewright',
      authorizerType: 'REQUEST',
      authorizerUri: this.uri(),
      authorizerPayloadFormatVersion: '2.0',
      enableSimpleResponses: this.response === 'simple',
      authorizerResultTtlInSeconds: seconds,
      // A cached yes is used for all that the identity sources do not tell apart. A route key alone would not do: `ANY /{proxy+}` is one.
      identitySource: seconds === 0 ? undefined
        : ['$request.header.Authorization', '$context.routeKey', '$context.httpMethod', '$context.path'],
    });
    return { bind: () => ({ authorizerId: authorizer.ref, authorizationType: 'CUSTOM' }) };
  }

  private forWebSocket(api: apigatewayv2.WebSocketApi): apigatewayv2.IWebSocketRouteAuthorizer {
    const authorizer = new apigatewayv2.CfnAuthorizer(api, 'Gatewright', {
      apiId: api.apiId,
      name: 'gatewright',
      authorizerType: 'REQUEST',
      authorizerUri: this.uri(),
    });
    return { bind: () => ({ authorizerId: authorizer.ref, authorizationType: 'CUSTOM' }) };
  }

  private uri(): string {
    return `arn:${Aws.PARTITION}:apigateway:${Aws.REGION}:lambda:path/2015-03-31/functions/${this.arn}/invocations`;
  }
}

const BEARER = 'Bearer realm="gatewright"';
const BASIC = 'Basic realm="gatewright", charset="UTF-8"';

/** What a REST API says itself. A 401 cannot know more than that credentials are missing or bad; a 403 has its challenge from the authorizer. */
function addGatewayResponses(api: apigateway.RestApi, basic: boolean): void {
  const challenge = `'${basic ? `${BEARER}, ${BASIC}` : BEARER}'`;
  const say = (type: apigateway.ResponseType, statusCode: string, message: string, challenge?: string) =>
    api.addGatewayResponse(`Gatewright-${type.responseType}`, {
      type,
      statusCode,
      responseHeaders: { 'Cache-Control': "'no-store'", ...(challenge && { 'WWW-Authenticate': challenge }) },
      templates: { 'application/json': JSON.stringify({ message }) },
    });
  say(apigateway.ResponseType.UNAUTHORIZED, '401', 'Unauthorized', challenge);
  say(apigateway.ResponseType.ACCESS_DENIED, '403', 'Forbidden', 'context.authorizer.challenge');
  // What API Gateway says of a path that the API does not have.
  say(apigateway.ResponseType.MISSING_AUTHENTICATION_TOKEN, '403', 'Forbidden', challenge);
  say(apigateway.ResponseType.AUTHORIZER_FAILURE, '500', 'Internal server error');
  say(apigateway.ResponseType.AUTHORIZER_CONFIGURATION_ERROR, '500', 'Internal server error');
}
