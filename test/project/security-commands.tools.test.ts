import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { requireTools } from '../support/required-tool.ts';
import { Checkout } from './checkout.ts';
import { blockLines, documentAt } from './documents.ts';

const LINES = blockLines(documentAt('docs/security.md'), 'sh', '## TLS, with an authority of your own');

it('security.md: five lines of openssl make an authority and two certificates, with keys for their owner only', async (test) => {
  requireTools(test, 'openssl');
  const checkout = new Checkout('real');
  expect(LINES.map((line) => line.split(' ')[0])).toEqual(Array.from({ length: 5 }, () => 'openssl'));
  const ran = await checkout.run(LINES, []);
  expect(ran.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0, 0, 0]);
  const [ca, server, client] = ['ca', 'server', 'client'].map(
    (name) => new X509Certificate(readFileSync(join(checkout.folder, `${name}.crt`))),
  ) as [X509Certificate, X509Certificate, X509Certificate];
  expect(ca.ca).toBe(true);
  for (const certificate of [server, client]) {
    expect(certificate.ca).toBe(false);
    expect(certificate.verify(ca.publicKey)).toBe(true);
  }
  expect(server.checkHost('localhost')).toBe('localhost');
  expect(server.checkIP('127.0.0.1')).toBe('127.0.0.1');
  expect(client.subjectAltName).toBe('URI:spiffe://shop/checkout');
  for (const name of ['ca.key', 'server.key', 'client.key']) {
    expect(statSync(join(checkout.folder, name)).mode & 0o777).toBe(0o600);
  }
});
