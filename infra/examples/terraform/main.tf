# An orders API behind the authorizer of a deployed Gatewright stack: as an HTTP API, and as a REST API. ../README.md says how to try it.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "authorizer_arn" {
  description = "The output AuthorizerArn of the Gatewright stack, which is in this account and region and lets every API of the account ask it."
  type        = string
}

variable "backend_url" {
  description = "Where the orders are, without a trailing slash. It hears who calls by headers, so it must be reachable through these APIs only."
  type        = string
}

locals {
  # What both kinds of API call the authorizer by.
  arn            = split(":", var.authorizer_arn)
  authorizer_uri = "arn:${local.arn[1]}:apigateway:${local.arn[3]}:lambda:path/2015-03-31/functions/${var.authorizer_arn}/invocations"
  methods = {
    "/orders"      = ["GET", "POST"]
    "/orders/{id}" = ["GET", "DELETE"]
  }
}

# HTTP API. Its 401 and 403 are its own: it has no gateway responses, and so no challenge.

resource "aws_apigatewayv2_api" "orders" {
  name          = "orders-http"
  protocol_type = "HTTP"
}

resource "aws_apigatewayv2_authorizer" "gatewright" {
  api_id                            = aws_apigatewayv2_api.orders.id
  name                              = "gatewright"
  authorizer_type                   = "REQUEST"
  authorizer_uri                    = local.authorizer_uri
  authorizer_payload_format_version = "2.0"
  enable_simple_responses           = false # true exactly where the stack says GATEWRIGHT_AUTHORIZER_RESPONSE=simple
  # Asked about every call, also about those without credentials: no identity_sources, and the provider's default of 300 s does not do.
  authorizer_result_ttl_in_seconds = 0
}

resource "aws_apigatewayv2_integration" "orders" {
  api_id             = aws_apigatewayv2_api.orders.id
  integration_type   = "HTTP_PROXY"
  integration_method = "ANY"
  integration_uri    = var.backend_url
  request_parameters = {
    "overwrite:path" = "$request.path"
    # The first is there on every call that passes; the second is to be read where the first says user or client, and is what the caller sent else.
    "overwrite:header.x-principal-type" = "$context.authorizer.sub_type"
    "overwrite:header.x-principal-sub"  = "$context.authorizer.sub"
  }
}

resource "aws_apigatewayv2_route" "orders" {
  for_each           = toset(flatten([for path, methods in local.methods : [for method in methods : "${method} ${path}"]]))
  api_id             = aws_apigatewayv2_api.orders.id
  route_key          = each.value
  authorization_type = "CUSTOM"
  authorizer_id      = aws_apigatewayv2_authorizer.gatewright.id
  target             = "integrations/${aws_apigatewayv2_integration.orders.id}"
}

resource "aws_apigatewayv2_stage" "orders" {
  api_id      = aws_apigatewayv2_api.orders.id
  name        = "$default"
  auto_deploy = true
}

# REST API. As OpenAPI, because aws_api_gateway_authorizer cannot leave identity_source empty, and with one the gateway answers calls without
# credentials itself.

locals {
  bearer = "'Bearer realm=\"gatewright\"'"
  says = {
    UNAUTHORIZED                   = { status = "401", message = "Unauthorized", challenge = local.bearer }
    ACCESS_DENIED                  = { status = "403", message = "Forbidden", challenge = "context.authorizer.challenge" }
    MISSING_AUTHENTICATION_TOKEN   = { status = "403", message = "Forbidden", challenge = local.bearer }
    AUTHORIZER_FAILURE             = { status = "500", message = "Internal server error", challenge = null }
    AUTHORIZER_CONFIGURATION_ERROR = { status = "500", message = "Internal server error", challenge = null }
  }
}

resource "aws_api_gateway_rest_api" "orders" {
  name = "orders-rest"
  endpoint_configuration {
    types = ["REGIONAL"]
  }
  body = jsonencode({
    openapi = "3.0.1"
    info    = { title = "orders-rest", version = "1" }
    components = {
      securitySchemes = {
        gatewright = {
          type                           = "apiKey"
          name                           = "Unused"
          in                             = "header"
          "x-amazon-apigateway-authtype" = "custom"
          "x-amazon-apigateway-authorizer" = {
            type                         = "request"
            authorizerUri                = local.authorizer_uri
            authorizerResultTtlInSeconds = 0
          }
        }
      }
    }
    "x-amazon-apigateway-gateway-responses" = {
      for type, say in local.says : type => {
        statusCode        = say.status
        responseTemplates = { "application/json" = jsonencode({ message = say.message }) }
        responseParameters = merge(
          { "gatewayresponse.header.Cache-Control" = "'no-store'" },
          say.challenge == null ? {} : { "gatewayresponse.header.WWW-Authenticate" = say.challenge },
        )
      }
    }
    paths = {
      for path, methods in local.methods : path => {
        for method in methods : lower(method) => {
          security   = [{ gatewright = [] }]
          responses  = {}
          parameters = [for name in regexall("{([a-z]+)}", path) : { name = name[0], in = "path", required = true, schema = { type = "string" } }]
          "x-amazon-apigateway-integration" = {
            type       = "http_proxy"
            httpMethod = method
            uri        = "${var.backend_url}${path}"
            requestParameters = merge(
              {
                "integration.request.header.x-principal-type" = "context.authorizer.sub_type"
                "integration.request.header.x-principal-sub"  = "context.authorizer.sub"
              },
              { for name in regexall("{([a-z]+)}", path) : "integration.request.path.${name[0]}" => "method.request.path.${name[0]}" },
            )
          }
        }
      }
    }
  })
}

resource "aws_api_gateway_deployment" "orders" {
  rest_api_id = aws_api_gateway_rest_api.orders.id
  triggers    = { body = sha1(aws_api_gateway_rest_api.orders.body) }
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_stage" "orders" {
  rest_api_id   = aws_api_gateway_rest_api.orders.id
  deployment_id = aws_api_gateway_deployment.orders.id
  stage_name    = "v1"
}

output "http_url" {
  value = aws_apigatewayv2_api.orders.api_endpoint
}

output "rest_url" {
  value = aws_api_gateway_stage.orders.invoke_url
}
