import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { freeAddress } from '../../../support/network/free-address.ts';
import { shakeHands } from '../../../support/network/tls-client.ts';
import { testFolder } from '../../../support/processes/server-process.ts';
import { realTerminal } from '../../../support/processes/terminal.ts';
import { until } from '../../../support/until.ts';
import type { Certificate } from '../../../support/network/certificates.ts';
import {
  AUTHORITY,
  CHECKOUT,
  EXPIRED,
  EXPIRED_CHECKOUT,
  MISNAMED,
  OTHER_AUTHORITY,
  SIGNED,
  STRANGER,
} from '../../../support/network/certificates.ts';
import { requireTools, toolPath } from '../../../support/required-tool.ts';
import { TlsFixture } from './tls-fixture.ts';

const METHOD = 'orders.v1.OrderNumberService/AllocateOrder';
const ROOT = new URL('../../../../', import.meta.url).pathname;
const run = promisify(execFile);

/** What clients say about one mistake; a part of it. */
interface Case {
  readonly server?: Certificate;
  readonly mutual?: boolean;
  readonly ca?: Certificate;
  readonly own?: Certificate;
  readonly grpcurl: string;
  readonly ghz: string;
  readonly curl: string;
  /** What the log of the server says, if anything. */
  readonly log?: RegExp;
}

const CASES: Readonly<Record<string, Case>> = {
  'the right authority': { grpcurl: '"orderNumber": "100"', ghz: '[OK]', curl: '"OrderNumber":102' },
  'another authority': {
    ca: OTHER_AUTHORITY,
    grpcurl: 'certificate signed by unknown authority',
    ghz: 'certificate signed by unknown authority',
    curl: 'unable to get local issuer certificate',
  },
  'an expired certificate of the server': {
    server: EXPIRED,
    grpcurl: 'certificate has expired or is not yet valid',
    ghz: 'certificate has expired or is not yet valid',
    curl: 'certificate has expired',
  },
  'a certificate for another host': {
    server: MISNAMED,
    grpcurl: 'cannot validate certificate for 127.0.0.1',
    ghz: 'cannot validate certificate for 127.0.0.1',
    curl: 'no alternative certificate subject name matches',
  },
  'the right client certificate': {
    mutual: true,
    own: CHECKOUT,
    grpcurl: '"orderNumber": "100"',
    ghz: '[OK]',
    curl: '"OrderNumber":102',
  },
  // The handshake of TLS 1.3 is over for a client before the server looks at its certificate. grpcurl then tries again
  // until its time is over, and ghz may notice first that it cannot write. So the log of the server has the reason.
  'a missing client certificate': {
    mutual: true,
    grpcurl: 'context deadline exceeded',
    ghz: '[Unavailable]',
    curl: 'this server requires a client certificate',
    log: /sent no certificate, but --tls-client-ca requires one/,
  },
  // A client in Go sends no certificate of an authority that the server does not ask for.
  'a client certificate of another authority': {
    mutual: true,
    own: STRANGER,
    grpcurl: 'context deadline exceeded',
    ghz: '[Unavailable]',
    curl: 'this server requires a client certificate',
    log: /sent no certificate, but --tls-client-ca requires one/,
  },
  'an expired client certificate': {
    mutual: true,
    own: EXPIRED_CHECKOUT,
    grpcurl: 'context deadline exceeded',
    ghz: '[Unavailable]',
    curl: 'this server requires a client certificate',
    log: /sent a certificate that is not accepted/,
  },
};

for (const [name, known] of Object.entries(CASES)) {
  it(`grpcurl, ghz and curl say what is the matter: ${name}`, async (test) => {
    requireTools(test, 'grpcurl', 'ghz', 'curl');
    const { server, mutual = false, ca = AUTHORITY, own } = known;
    const fixture = new TlsFixture({ mutual, ...(server && { certificate: server }) });
    const grpc = await fixture.address('grpc');
    const files = (dashes: string) => [
      `${dashes}cacert`,
      ca.certFile,
      ...(own ? [`${dashes}cert`, own.certFile, `${dashes}key`, own.keyFile] : []),
    ];
    const data = '{"store_id": 7}';
    expect(await said('grpcurl', ['-max-time', '2', ...files('-'), '-d', data, grpc, METHOD])).toContain(known.grpcurl);
    const once = ['--total=1', '--concurrency=1', '--connect-timeout=2s', `--call=${METHOD.replace('/', '.')}`];
    const proto = [`--proto=${ROOT}proto/orders/v1/orders.proto`, `--import-paths=${ROOT}proto,${ROOT}third_party`];
    expect(await said('ghz', [...once, ...proto, ...files('--'), `--data=${data}`, grpc])).toContain(known.ghz);
    const url = `https://${await fixture.address('http')}/api/generateOrderNumber`;
    const post = ['-sS', '-H', 'content-type: application/json', '-d', data, url];
    expect(await said('curl', [...files('--'), ...post])).toContain(known.curl);
    if (known.log) await fixture.server.line(known.log);
  });
}

/** Everything that a command prints, whatever its exit code is. */
async function said(tool: 'grpcurl' | 'ghz' | 'curl', args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await run(toolPath(tool), args).catch(
    (error: { stdout: string; stderr: string }) => error,
  );
  return `${stdout}${stderr}`;
}

it('a server at a terminal stops when the terminal is gone, although it has certificates to read', async (test) => {
  requireTools(test, 'script', 'linux');
  const [grpc, folder] = [await freeAddress(), testFolder()];
  const tls = ['--tls-cert', SIGNED.certFile, '--tls-key', SIGNED.keyFile];
  const off = ['--http-listen', 'off', '--metrics-listen', 'off'];
  const ledger = join(folder, 'orders.db');
  const script = realTerminal(['serve', '--ledger', ledger, '--grpc-listen', grpc, ...tls, ...off]);
  onTestFinished(() => void script.kill('SIGKILL'));
  script.stdout.resume();
  await until('it serves', async () => (await shakeHands(grpc, {}, 0)).protocol !== undefined);
  const [server] = readFileSync(`/proc/${script.pid}/task/${script.pid}/children`, 'utf8').split(' ');
  script.kill('SIGKILL');
  await until('the server has ended', () => !existsSync(`/proc/${server}`));
  expect((await shakeHands(grpc, {}, 0)).end).toBe('ECONNREFUSED');
});
