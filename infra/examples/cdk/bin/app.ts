import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { OrdersHttp } from '../lib/orders-http';
import { OrdersRest } from '../lib/orders-rest';

const app = new App();
const context = (name: string): string | undefined => app.node.tryGetContext(name);
new OrdersHttp(app, 'OrdersHttp', { code: context('code') ?? join(__dirname, '../../../../target/lambda') });
new OrdersRest(app, 'OrdersRest', { gatewrightStackName: context('gatewrightStackName') ?? 'gatewright' });
