export * from './authorizer';
export * from './gatewright';
export * from './settings';
export * from './stack';
