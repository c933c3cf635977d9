import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { GatewrightStack } from '../lib';

const app = new App();
const code = app.node.tryGetContext('code') ?? join(__dirname, '../../../target/lambda');
new GatewrightStack(app, app.node.tryGetContext('stackName') ?? 'gatewright', { code });
