import { describe, expect, it } from 'vitest';
import type { ListenAddresses, Protection } from '../../../src/server/security/exposure.ts';
import { exposures, UNPROTECTED } from '../../../src/server/security/exposure.ts';

const EVERYWHERE: ListenAddresses = {
  grpcListen: { host: '0.0.0.0', port: 50051 },
  httpListen: { host: '::', port: 3000 },
  metricsListen: { host: '10.0.0.5', port: 9464 },
};
const LOOPBACK: ListenAddresses = {
  grpcListen: { host: '127.0.0.1', port: 50051 },
  httpListen: { host: 'localhost', port: 3000 },
  metricsListen: { host: '::1', port: 9464 },
};
const CALLS = ['--grpc-listen', '--http-listen'];
const ALL = [...CALLS, '--metrics-listen'];
const TLS = { ...UNPROTECTED, tls: true };
const TOKENS = { ...UNPROTECTED, tokens: true };
const BOTH = { ...TLS, tokens: true };
const CLIENT_CERTIFICATES = { ...TLS, clientCertificates: true };

describe('a listener that other machines can reach', () => {
  it('warns of everything if it has neither TLS nor tokens', () => {
    expect(exposures(EVERYWHERE, UNPROTECTED)).toEqual([
      {
        flag: '--grpc-listen',
        warning:
          'anyone who can reach 0.0.0.0:50051 can allocate numbers: gRPC is served without TLS ' +
          'and without tokens; set --tls-cert, --tls-key and --tokens, or listen on 127.0.0.1',
      },
      { flag: '--http-listen', warning: expect.stringMatching(/^anyone who can reach \[::\]:3000 .*: HTTP is served/) },
      { flag: '--metrics-listen', warning: expect.stringMatching(/^anyone who can reach 10\.0\.0\.5:9464 .*metrics/) },
    ]);
  });

  it.each<[string, Protection, readonly string[], RegExp]>([
    ['TLS without tokens', TLS, CALLS, /can reach .* can allocate numbers: \w+ is served with TLS but without tokens/],
    [
      'tokens without TLS',
      TOKENS,
      CALLS,
      /on the network path to .* can read the tokens .* with tokens but without TLS/,
    ],
    ['secure metrics with TLS alone', { ...TLS, metrics: true }, ['--metrics-listen'], /can read the metrics/],
    ['secure metrics with tokens alone', { ...TOKENS, metrics: true }, ['--metrics-listen'], /sent for the metrics/],
  ])('has a sentence of its own for %s', (_, protection, flags, warning) => {
    const found = exposures(EVERYWHERE, protection).filter(({ flag }) => flags.includes(flag));
    expect(found).toEqual(flags.map((flag) => ({ flag, warning: expect.stringMatching(warning) as string })));
  });

  it.each<[string, Protection]>([
    ['TLS and tokens', BOTH],
    ['client certificates', CLIENT_CERTIFICATES],
    ['all three', { ...CLIENT_CERTIFICATES, tokens: true }],
  ])('is guarded by %s, and only the metrics stay open', (_, protection) => {
    expect(exposures(EVERYWHERE, protection).map(({ flag }) => flag)).toEqual(['--metrics-listen']);
    expect(exposures({ ...EVERYWHERE, metricsListen: 'off' }, protection)).toEqual([]);
  });

  it('has guarded metrics with TLS and tokens, or with client certificates, if they are to be secure', () => {
    expect(exposures(EVERYWHERE, { ...BOTH, metrics: true })).toEqual([]);
    expect(exposures(EVERYWHERE, { ...CLIENT_CERTIFICATES, metrics: true })).toEqual([]);
  });

  it('is named by its own flag', () => {
    for (const [i, name] of (['grpcListen', 'httpListen', 'metricsListen'] as const).entries()) {
      const found = exposures({ ...LOOPBACK, [name]: EVERYWHERE[name] }, UNPROTECTED);
      expect(found.map(({ flag }) => flag)).toEqual([ALL[i]]);
    }
  });
});

it.each([UNPROTECTED, TLS, TOKENS, BOTH])(
  'a listener on loopback, or switched off, has no warning: %j',
  (protection) => {
    expect(exposures(LOOPBACK, protection)).toEqual([]);
    expect(exposures({ ...LOOPBACK, httpListen: 'off', metricsListen: 'off' }, protection)).toEqual([]);
  },
);
