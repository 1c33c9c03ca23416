import { pino } from 'pino';
import { expect, it, onTestFinished } from 'vitest';
import { metricsDoor } from '../../../src/server/metrics/metrics-door.ts';
import { servePage } from '../../../src/server/metrics/page-server.ts';
import { FailedAttempts } from '../../../src/server/security/failed-attempts.ts';
import { KnownCallers } from '../../support/security/known-callers.ts';

it('shows the page to callers with the verb metrics only, and the probes to all', async () => {
  const { ask, callers, ended } = await serve();
  callers.add('prometheus', { verbs: new Set(['metrics']) });
  callers.add('shop', { verbs: new Set(['allocate', 'read', 'manage', 'verify']) });
  expect(await ask('/metrics')).toMatchObject({ status: 401, challenge: 'Bearer', text: 'nobody known\n' });
  expect(await ask('/metrics', 'nobody')).toMatchObject({ status: 401, challenge: 'Bearer' });
  const forbidden = 'metrics needs the verb metrics, which shop does not have\n';
  expect(await ask('/metrics', 'shop')).toMatchObject({ status: 403, challenge: null, text: forbidden });
  expect(await ask('/metrics', 'prometheus')).toMatchObject({ status: 200, text: 'a 1\n' });
  expect(await ask('/healthz')).toMatchObject({ status: 200 });
  expect(await ask('/other')).toMatchObject({ status: 404 });
  expect(ended).toEqual(['TOKEN_INVALID', 'TOKEN_INVALID', 'VERB_FORBIDDEN']);
});

it('ends the connection of an address whose credentials keep failing', async () => {
  const { ask, callers } = await serve(new FailedAttempts({ burst: 1, perSecond: 0, addresses: 10 }));
  callers.add('prometheus');
  expect(await ask('/metrics', 'guess')).toMatchObject({ status: 401, connection: 'keep-alive' });
  expect(await ask('/metrics', 'guess')).toMatchObject({ status: 401, connection: 'close', challenge: 'Bearer' });
  expect(await ask('/metrics', 'prometheus')).toMatchObject({ status: 200, connection: 'keep-alive' });
});

async function serve(failedAttempts = new FailedAttempts()) {
  const callers = new KnownCallers();
  const ended: string[] = [];
  const server = await servePage({
    address: { host: '127.0.0.1', port: 0 },
    page: { path: '/metrics', contentType: 'text/plain', text: async () => 'a 1\n' },
    probes: [{ path: '/healthz', answer: () => ({ status: 200, json: '{}' }) }],
    refuse: metricsDoor({
      authenticator: callers,
      failedAttempts,
      logger: pino({ level: 'silent' }),
      observer: { ended: (_transport, _method, result) => void ended.push(result), requestsEnded() {} },
    }),
  });
  onTestFinished(() => server.close());
  const ask = async (path: string, token?: string) => {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const answer = await fetch(`http://127.0.0.1:${server.address.port}${path}`, { headers });
    const [challenge, connection] = ['www-authenticate', 'connection'].map((name) => answer.headers.get(name));
    return { status: answer.status, challenge, connection, text: await answer.text() };
  };
  return { ask, callers, ended };
}
