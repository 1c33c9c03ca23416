/** `make test-failover` asks for the long form of the tests that kill under load. */
export const IS_LONG = process.env['FAILOVER'] === 'full';
