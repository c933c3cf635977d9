export * from './authorizer';
export * from './gatewright';
export * from './stack';
