import { execFileSync } from 'node:child_process';
import { chownSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { PostgresCluster } from '../../../support/postgres/cluster/cluster.ts';
import { installation, newFolder } from '../../../support/postgres/cluster/installation.ts';
import { removeAtExit } from '../../../support/postgres/cluster/leftovers.ts';
import { requireTools, toolPath } from '../../../support/required-tool.ts';
import { OpenedLedger } from '../opened-ledger.ts';

it('TLS: an untrusted certificate is refused once, with a remedy; channel binding is used if it is requested', async (test) => {
  requireTools(test, 'openssl');
  const { user } = await installation();
  const folder = newFolder(user);
  removeAtExit({ folder });
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync(
    toolPath('openssl'),
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', certificate, ...subject],
    {
      stdio: 'ignore',
    },
  );
  if (user) for (const file of [key, certificate]) chownSync(file, user.uid, user.gid);
  const cluster = await PostgresCluster.start({
    settings: { ssl: 'on', ssl_cert_file: certificate, ssl_key_file: key, password_encryption: 'scram-sha-256' },
  });
  onTestFinished(() => cluster.close());
  await cluster.query(`CREATE ROLE bound LOGIN SUPERUSER PASSWORD 'right'`);
  const [row] = await cluster.query('SHOW hba_file');
  const lines = `VALUES ('host all bound 127.0.0.1/32 scram-sha-256'), ('host all all 127.0.0.1/32 trust')`;
  await cluster.query(`COPY (${lines}) TO '${String(row!['hba_file'])}'`);
  await cluster.query('SELECT pg_reload_conf()');

  const untrusted = new OpenedLedger(`${cluster.url()}?sslmode=require`);
  await expect(untrusted.ledger.ready()).rejects.toMatchObject({ reason: 'LEDGER_DAMAGED' });
  expect(untrusted.said).toEqual([
    expect.stringMatching(
      /has an untrusted certificate \(self-signed certificate.*\); .*sslrootcert=.*sslmode=no-verify$/,
    ),
  ]);
  const trusted = await OpenedLedger.open(`${cluster.url()}?sslmode=verify-full&sslrootcert=${certificate}`);
  expect(await trusted.allocate()).toMatchObject({ allocation: { orderId: 1n } });

  const url = cluster.url('postgres', 'bound:right');
  const bound = await OpenedLedger.open(`${url}?sslmode=no-verify&channel_binding=require`);
  expect(await bound.allocate('bound')).toMatchObject({ allocation: { orderId: 2n } });
  expect(await bound.ledger.reads.end()).toMatchObject({ lastOrderId: 2n });
  const plain = new OpenedLedger(`${url}?channel_binding=require`);
  await expect(plain.ledger.ready()).rejects.toMatchObject({ reason: 'LEDGER_DAMAGED' });
  expect(plain.said).toEqual([expect.stringMatching(/offered no channel binding/)]);
});
