import { chmodSync, copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkTls } from '../../../src/cli/check/check-tls.ts';
import { folderState } from '../../support/disk/folder-state.ts';
import {
  AUTHORITY,
  CHAINED,
  ENCRYPTED_KEY_FILE,
  EXPIRED,
  FUTURE,
  OTHER_AUTHORITY,
  ROTATED,
  SIGNED,
} from '../../support/network/certificates.ts';
import { localOrderNumbers } from '../../support/processes/local-command.ts';
import { refusedStart } from '../../support/processes/refused-start.ts';
import { testFolder } from '../../support/processes/server-process.ts';

interface Paths {
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
}

const GOOD: Paths = { cert: SIGNED.certFile, key: SIGNED.keyFile };
const MISSING = '/nowhere/file.pem';

function check({ cert = 'off', key = 'off', ca = 'off' }: Paths) {
  return checkTls({ tlsCert: cert, tlsKey: key, tlsClientCa: ca });
}

async function problems(paths: Paths): Promise<string[]> {
  const findings = await check(paths);
  return findings.filter(({ kind }) => kind === 'problem').map(({ flag, text }) => `${flag}: ${text}`);
}

describe('a check of the files of TLS', () => {
  it('says for whom the certificate is, who signed it and until when, that the key fits, and whose clients come in', async () => {
    const folder = testFolder();
    const key = join(folder, 'tls.key');
    copyFileSync(CHAINED.keyFile, key);
    chmodSync(key, 0o600);
    const ca = join(folder, 'ca.crt');
    writeFileSync(ca, `${AUTHORITY.cert}${OTHER_AUTHORITY.cert}`);
    const before = folderState(folder);
    const findings = await check({ cert: CHAINED.certFile, key, ca });
    expect(findings).toEqual([
      {
        kind: 'ok',
        flag: '--tls-cert',
        text: expect.stringMatching(
          / is for IP Address:127\.0\.0\.1, DNS:localhost, signed by CN=between, valid until 21\d\d-/,
        ),
      },
      { kind: 'ok', flag: '--tls-key', text: `${key} matches the certificate` },
      {
        kind: 'ok',
        flag: '--tls-client-ca',
        text: `${ca} accepts client certificates that are signed by CN=authority; CN=other-authority`,
      },
    ]);
    expect(folderState(folder)).toEqual(before);
  });

  it('says nothing without TLS', async () => {
    expect(await check({})).toEqual([]);
  });

  it('names every file that is wrong, not only the first', async () => {
    expect(await problems({ cert: MISSING, key: MISSING, ca: MISSING })).toEqual([
      `--tls-cert: ${MISSING} does not exist; correct the path`,
      `--tls-key: ${MISSING} does not exist; correct the path`,
      `--tls-client-ca: ${MISSING} does not exist; correct the path`,
    ]);
  });

  it('takes a certificate that is not valid today for a problem, which a start only warns of', async () => {
    expect(await problems({ cert: EXPIRED.certFile, key: EXPIRED.keyFile })).toEqual([
      expect.stringMatching(/^--tls-cert: .* expired on 2021-.*: clients refuse it; replace it/),
    ]);
    expect(await problems({ cert: FUTURE.certFile, key: FUTURE.keyFile })).toEqual([
      expect.stringMatching(/^--tls-cert: .* not valid before 2125-.* check the clock/),
    ]);
    expect(await problems({ ...GOOD, ca: EXPIRED.certFile })).toEqual([
      expect.stringMatching(/^--tls-client-ca: .* expired on 2021-.*: clients with certificates from it are refused/),
    ]);
  });

  it('warns of a key that every user may read', async () => {
    const key = join(testFolder(), 'tls.key');
    copyFileSync(SIGNED.keyFile, key);
    chmodSync(key, 0o644);
    const findings = await check({ ...GOOD, key });
    expect(findings).toContainEqual({
      kind: 'warning',
      flag: '--tls-key',
      text: `every user of this machine can read the key ${key}: run chmod o-r on it`,
    });
  });

  it.each<[string, Paths]>([
    ['a certificate that is missing', { ...GOOD, cert: MISSING }],
    ['the key of another certificate', { ...GOOD, key: ROTATED.keyFile }],
    ['an encrypted key', { ...GOOD, key: ENCRYPTED_KEY_FILE }],
    ['a key in the place of the certificate', { ...GOOD, cert: SIGNED.keyFile }],
    ['a key in the place of the authorities', { ...GOOD, ca: SIGNED.keyFile }],
    ['a certificate without its key', { cert: SIGNED.certFile }],
    ['authorities without TLS', { ca: AUTHORITY.certFile }],
  ])('names %s as a start does, and creates nothing', async (_, { cert, key, ca }) => {
    const folder = testFolder();
    const given = Object.entries({ '--tls-cert': cert, '--tls-key': key, '--tls-client-ca': ca });
    const tls = given.flatMap(([flag, path]) => (path === undefined ? [] : [flag, path]));
    const args = ['--ledger', join(folder, 'orders.db'), ...tls];
    const ports = ['--grpc-listen', '127.0.0.1:0', '--http-listen', 'off', '--metrics-listen', 'off'];
    const { exitCode, stdout } = await localOrderNumbers(['serve', '--check', ...args, ...ports]);
    expect(exitCode).toBe(2);
    const found = stdout.split('\n').filter((line) => line.startsWith('problem'));
    const { stderr } = await localOrderNumbers(['serve', ...args, ...ports, '--log-level', 'silent']);
    const refusal = stderr === '' ? await refusedStart(join(folder, 'orders.db'), tls) : stderr;
    expect(found).toHaveLength(1);
    expect(refusal).toContain(found[0]!.replace(/^problem +--[\w-]+: /, ''));
    expect(Object.keys(folderState(folder))).toEqual(['.']);
  });
});
