import { Aws, Stack } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as logs from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { Deployed } from './functions';

/** What is watched. */
export interface Watched {
  readonly functions: Deployed[];
  readonly authorizer: Deployed;
  readonly apiId: string;
  readonly tableName: string;
  readonly feedSeconds: number;
}

type Query = cloudwatch.CfnAlarm.MetricDataQueryProperty;
type AlarmProps = Omit<cloudwatch.CfnAlarmProps, 'comparisonOperator' | 'alarmActions'>;

/** The alarms. Each says that calls are not answered, or that a bound which the docs state does not hold. */
export function alarms(scope: Construct, watched: Watched, topic?: ITopic): void {
  const alarm = (id: string, props: AlarmProps) =>
    new cloudwatch.CfnAlarm(scope, id, { comparisonOperator: 'GreaterThanThreshold', alarmActions: topic ? [topic.topicArn] : [], ...props });
  const any = { threshold: 0, evaluationPeriods: 1, treatMissingData: 'notBreaching' };
  const table = [{ name: 'Table', value: watched.tableName }];

  alarm('ErrorsAlarm', {
    ...any,
    alarmDescription: 'A function of Gatewright ended or ran out of time; its log group says why. The authorizer has an alarm of its own.',
    metrics: sum('Errors', watched.functions.filter((one) => one !== watched.authorizer)),
  });

  // Lambda counts each refusal of an authorizer (the error `Unauthorized`) as an error of the function, so its log is asked instead.
  const failures = { metricNamespace: 'Gatewright', metricName: `${Aws.STACK_NAME}-AuthorizerFailures` };
  new logs.CfnMetricFilter(scope, 'AuthorizerFailures', {
    logGroupName: watched.authorizer.logs.ref,
    filterPattern: '?"could not be decided" ?"Runtime.ExitError" ?"Task timed out"',
    metricTransformations: [{ ...failures, metricValue: '1', defaultValue: 0 }],
  });
  alarm('AuthorizerAlarm', {
    ...any,
    alarmDescription: 'The authorizer of Gatewright could not decide calls, which were answered 500; its log group says why.',
    namespace: failures.metricNamespace,
    metricName: failures.metricName,
    period: 300,
    statistic: 'Sum',
  });

  alarm('ThrottlesAlarm', {
    ...any,
    alarmDescription: "Lambda refused calls of Gatewright, because the account's concurrency is used up.",
    metrics: sum('Throttles', watched.functions),
  });
  alarm('ServerErrorsAlarm', {
    ...any,
    alarmDescription: 'The endpoints of Gatewright answered 5xx, mostly because the table or KMS did not answer.',
    namespace: 'AWS/ApiGateway',
    metricName: '5xx',
    dimensions: [{ name: 'ApiId', value: watched.apiId }],
    period: 300,
    statistic: 'Sum',
  });
  alarm('KeyAgeAlarm', {
    alarmDescription: 'A signing key of Gatewright is older than 91 days, or the rotation has not run for three hours.',
    threshold: 91 * 24 * 60 * 60,
    evaluationPeriods: 3,
    datapointsToAlarm: 3,
    treatMissingData: 'breaching',
    namespace: 'Gatewright',
    metricName: 'KeyAge',
    dimensions: table,
    period: 3600,
    statistic: 'Maximum',
  });
  alarm('FeedAgeAlarm', {
    ...any,
    alarmDescription: 'An authorizer of Gatewright has not heard of changes for a minute longer than GATEWRIGHT_FEED_SECONDS; revocations come late.',
    threshold: 60,
    metrics: [
      { id: 'late', expression: `age - ${watched.feedSeconds}`, label: 'FeedAge' },
      { id: 'age', returnData: false, metricStat: { metric: { namespace: 'Gatewright', metricName: 'FeedAge', dimensions: table }, period: 300, stat: 'Maximum' } },
    ],
  });
}

/** One metric of Lambda, over several functions. */
function sum(metricName: string, functions: Deployed[]): Query[] {
  const each = functions.map(({ name, lambda }): Query => ({
    // An id has no hyphen.
    id: name.replace('-k', 'K'),
    returnData: false,
    metricStat: { metric: { namespace: 'AWS/Lambda', metricName, dimensions: [{ name: 'FunctionName', value: lambda.ref }] }, period: 300, stat: 'Sum' },
  }));
  return [{ id: 'sum', expression: 'SUM(METRICS())', label: metricName }, ...each];
}

/** One page to look at when an alarm rings: three widgets a row. */
export function dashboard(scope: Construct, watched: Watched): void {
  const api = (metric: string, label: string, stat?: string) => ['AWS/ApiGateway', metric, 'ApiId', watched.apiId, { label, ...(stat && { stat }) }];
  const each = (metric: string) => watched.functions.map(({ name, lambda }) => ['AWS/Lambda', metric, 'FunctionName', lambda.ref, { label: name }]);
  const capacity = (metric: string) => ['AWS/DynamoDB', metric, 'TableName', watched.tableName];
  const age = (metric: string) => ['Gatewright', metric, 'Table', watched.tableName];
  const shown: [string, string, unknown[][]][] = [
    ['Requests to the endpoints', 'Sum', [api('Count', 'all'), api('4xx', '4xx'), api('5xx', '5xx')]],
    ['Their latency, ms', 'p99', [api('Latency', 'p50', 'p50'), api('Latency', 'p99', 'p99')]],
    ['Invocations', 'Sum', each('Invocations')],
    ['Duration p99, ms', 'p99', each('Duration')],
    ['Errors (of the authorizer: refusals too)', 'Sum', each('Errors')],
    ['Throttles', 'Sum', each('Throttles')],
    ['Capacity of the table', 'Sum', [capacity('ConsumedReadCapacityUnits'), capacity('ConsumedWriteCapacityUnits')]],
    ["Age of the authorizers' view, s", 'Maximum', [age('FeedAge')]],
    ['Age of the signing keys, s', 'Maximum', [age('KeyAge')]],
  ];
  const widgets = shown.map(([title, stat, metrics], at) => ({
    type: 'metric',
    x: 8 * (at % 3),
    y: 6 * Math.floor(at / 3),
    width: 8,
    height: 6,
    properties: { region: Aws.REGION, title, stat, period: 300, view: 'timeSeries', metrics },
  }));
  // Dashboards have one namespace for all regions.
  const dashboardName = `${Aws.STACK_NAME}-${Aws.REGION}`;
  new cloudwatch.CfnDashboard(scope, 'Dashboard', { dashboardName, dashboardBody: Stack.of(scope).toJsonString({ widgets }) });
}
