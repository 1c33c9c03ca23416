import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { identityIn, readTlsFiles } from '../../../../src/server/security/tls/tls-files.ts';
import {
  AUTHORITY,
  CHAINED,
  ENCRYPTED_KEY_FILE,
  OTHER_AUTHORITY,
  ROTATED,
  SIGNED,
} from '../../../support/network/certificates.ts';
import { localOrderNumbers } from '../../../support/processes/local-command.ts';
import { NOT_ROOT } from '../../../support/processes/not-root.ts';
import { refusedProcess } from '../../../support/processes/refused-start.ts';
import { testFolder } from '../../../support/processes/server-process.ts';

/** A key as OpenSSL wrote encrypted ones before PKCS #8. */
const OLD_ENCRYPTED = `-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,8D6E5F1B0C9A4F3E8D6E5F1B0C9A4F3E

bm90IGEga2V5
-----END EC PRIVATE KEY-----
`;
const DAMAGED = '-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n';

async function read(cert: string, key: string, clientCa?: string) {
  const named = {
    cert: { flag: '--tls-cert', path: cert },
    key: { flag: '--tls-key', path: key },
    clientCa: clientCa === undefined ? undefined : { flag: '--tls-client-ca', path: clientCa },
  };
  return identityIn(named, await readTlsFiles(named));
}

function written(text: string | Uint8Array): string {
  const path = join(testFolder(), 'file.pem');
  writeFileSync(path, text);
  return path;
}

describe('the files of TLS', () => {
  it('are a certificate or a chain, its key, and authorities', async () => {
    const { chain, clientAuthorities } = await read(CHAINED.certFile, CHAINED.keyFile, AUTHORITY.certFile);
    expect(chain.map(({ subject }) => subject)).toEqual(['CN=chained', 'CN=between']);
    expect(clientAuthorities.map(({ subject }) => subject)).toEqual(['CN=authority']);
    const several = written(`${AUTHORITY.cert}\n# another one\r\n${OTHER_AUTHORITY.cert}`);
    const { clientAuthorities: two } = await read(SIGNED.certFile, SIGNED.keyFile, several);
    expect(two.map(({ subject }) => subject)).toEqual(['CN=authority', 'CN=other-authority']);
  });

  it.each([
    ['lines that begin a block', '-----BEGIN A-----\n'],
    ['lines that begin and end blocks', '-----BEGIN A-----\n-----END B-----\n'],
    ['labels', '-----BEGIN A'],
    ['spaces behind a beginning', `-----BEGIN A-----${' '.repeat(1000)}x\n`],
    ['blocks of other kinds', '-----BEGIN A-----\n-----END A-----\n'],
  ])('P10: 1 MiB of %s is refused in a time that does not grow with its square', async (_what, line) => {
    const broken = written(line.repeat(Math.floor((1024 * 1024) / line.length)));
    const started = performance.now();
    await expect(read(broken, SIGNED.keyFile)).rejects.toThrow(/is not a PEM file|has no certificate/);
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it('may be one file for both, with text around the blocks and the line ends of Windows', async () => {
    const both = written(`Bag Attributes\n${SIGNED.key}subject=CN=signed\n${SIGNED.cert}`.replaceAll('\n', '\r\n'));
    const { chain } = await read(both, both);
    expect(chain.map(({ subject }) => subject)).toEqual(['CN=signed']);
  });

  it.each([
    [
      'a missing certificate',
      '/nowhere/tls.crt',
      SIGNED.keyFile,
      '--tls-cert: /nowhere/tls.crt does not exist; correct the path',
    ],
    ['a folder', '/tmp', SIGNED.keyFile, '--tls-cert: /tmp is a folder; give the path of a PEM file in it'],
    [
      'a device',
      SIGNED.certFile,
      '/dev/zero',
      '--tls-key: /dev/zero is not a regular file, so it cannot be read again',
    ],
    [
      'an encrypted key',
      SIGNED.certFile,
      ENCRYPTED_KEY_FILE,
      `is encrypted, but the server cannot ask for a passphrase; decrypt it, and use the decrypted file: openssl pkey -in ${ENCRYPTED_KEY_FILE} -out `,
    ],
    [
      'the key of another certificate',
      SIGNED.certFile,
      ROTATED.keyFile,
      `--tls-key: ${ROTATED.keyFile} does not match the certificate in ${SIGNED.certFile}`,
    ],
    [
      'a key for a certificate',
      SIGNED.keyFile,
      SIGNED.keyFile,
      `--tls-cert: ${SIGNED.keyFile} has no certificate (-----BEGIN CERTIFICATE-----), only PRIVATE KEY`,
    ],
    [
      'a certificate for a key',
      SIGNED.certFile,
      SIGNED.certFile,
      `--tls-key: ${SIGNED.certFile} has no private key (-----BEGIN PRIVATE KEY-----), only CERTIFICATE`,
    ],
  ])('%s is refused in one line with the flag, the file and the remedy', async (_what, cert, key, says) => {
    const refused = await read(cert, key).catch((error: Error) => error.message);
    expect(refused).toContain(says);
    expect(String(refused).split('\n')).toHaveLength(1);
  });

  it.each([
    ['an empty file', '', 'is empty; write a PEM file there'],
    ['white space', ' \n', 'is empty; write a PEM file there'],
    ['DER', SIGNED.cert.subarray(100, 300), 'is not a PEM file'],
    ['a damaged certificate', DAMAGED, 'has a damaged certificate; replace it'],
    ['a damaged one in a chain', `${SIGNED.cert}${DAMAGED}`, 'has a damaged certificate (number 2 of 2)'],
    ['a truncated one', SIGNED.cert.subarray(0, -20), 'is not a PEM file'],
    ['more than 1 MiB', '-'.repeat(1024 * 1024 + 1), 'is too large to be a PEM file'],
    [
      'trust settings',
      DAMAGED.replaceAll('CERTIFICATE', 'TRUSTED CERTIFICATE'),
      'has a TRUSTED CERTIFICATE, whose trust settings are not supported',
    ],
  ])('%s is refused as certificate and as client CA', async (_what, text, says) => {
    const path = written(text);
    await expect(read(path, SIGNED.keyFile)).rejects.toThrow(`--tls-cert: ${path} ${says}`);
    await expect(read(SIGNED.certFile, SIGNED.keyFile, path)).rejects.toThrow(`--tls-client-ca: ${path} ${says}`);
  });

  it('a key that is damaged, or encrypted in the old way, is refused', async () => {
    await expect(read(SIGNED.certFile, written(OLD_ENCRYPTED))).rejects.toThrow('is encrypted');
    const damaged = written(String(SIGNED.key).replace(/^MI/m, 'XX'));
    await expect(read(SIGNED.certFile, damaged)).rejects.toThrow('has a damaged private key');
  });

  it('a chain in the wrong order is refused, and says which certificate comes first', async () => {
    const [own, between] = String(CHAINED.cert).split(/(?<=-----END CERTIFICATE-----\n)/);
    await expect(read(written(`${between}${own}`), CHAINED.keyFile)).rejects.toThrow(
      "does not begin with the server's own certificate: put number 2, which matches the key, first",
    );
  });
});

describe('a start', () => {
  it('that is refused because of them creates nothing', async () => {
    const folder = testFolder();
    const ledger = join(folder, 'orders.db');
    const said = await refusedProcess(ledger, { args: ['--tls-cert', SIGNED.certFile, '--tls-key', ROTATED.keyFile] });
    expect(said).toBe(
      `--tls-key: ${ROTATED.keyFile} does not match the certificate in ${SIGNED.certFile}: use the key that belongs to that certificate`,
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  it('a file that this process may not read is named', async () => {
    const folder = testFolder();
    chmodSync(folder, 0o755);
    mkdirSync(join(folder, 'data'), { mode: 0o777 });
    chmodSync(join(folder, 'data'), 0o777);
    const path = written(SIGNED.key);
    chmodSync(path, 0o000);
    const args = ['--tls-cert', SIGNED.certFile, '--tls-key', path];
    const said = await refusedProcess(join(folder, 'data', 'orders.db'), { args, wrapper: NOT_ROOT });
    expect(said).toMatch(/^--tls-key: .* is not readable for the user of this process; let that user read it/);
  });

  it.each([
    [['--tls-cert', SIGNED.certFile], '--tls-cert needs --tls-key: give both, or neither'],
    [['--tls-key', SIGNED.keyFile], '--tls-key needs --tls-cert: give both, or neither'],
    [
      ['--tls-client-ca', AUTHORITY.certFile],
      '--tls-client-ca needs --tls-cert and --tls-key: client certificates need TLS',
    ],
    [
      ['--metrics-secure'],
      '--metrics-secure needs --tls-cert and --tls-key, or --tokens: nothing else protects the metrics',
    ],
  ])('with %s alone is wrong usage', async (args, says) => {
    const { exitCode, stderr } = await localOrderNumbers([
      'serve',
      '--ledger',
      join(testFolder(), 'orders.db'),
      ...args,
    ]);
    expect([exitCode, stderr.split('\n')[0]]).toEqual([2, `error: ${says}  (see --help)`]);
  });
});
