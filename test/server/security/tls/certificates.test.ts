import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { failureOf } from '../../../support/clients/orders-client.ts';
import type { Certificate } from '../../../support/network/certificates.ts';
import {
  CHECKOUT,
  OTHER_AUTHORITY,
  ROTATED,
  SERVER_CERTIFICATE,
  SIGNED,
  STRANGER,
} from '../../../support/network/certificates.ts';
import { shakeHands } from '../../../support/network/tls-client.ts';
import { LocalServer } from '../../../support/processes/local-server.ts';
import { ServerProcess, testFolder } from '../../../support/processes/server-process.ts';
import { until } from '../../../support/until.ts';
import { Load } from './load.ts';
import { putFile, TlsFixture } from './tls-fixture.ts';

/** More than the time between two looks at the files. */
const LOOK_MS = 1000;
const CHANGED = 'TLS files changed: new connections use them, open ones are not affected';

/** The name of the certificate that a new connection gets. */
async function servedAt(address: string, waitMs = 0): Promise<string | undefined> {
  const { socket, end } = await shakeHands(address, { rejectUnauthorized: false }, waitMs);
  expect(end).toBeUndefined();
  return String(socket.getPeerCertificate().subject.CN);
}

async function calls(load: Load, more: number): Promise<void> {
  const before = load.answered;
  await until(`${more} more calls are answered`, () => load.answered >= before + more);
}

/** From here on a server looks at its files when it is told to: a load would use the processors for the time between. */
function holdLooks(): void {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
}

/** Lets the servers look at their files until this holds. */
async function looked(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  await until(what, async () => {
    vi.advanceTimersByTime(LOOK_MS);
    return holds();
  });
}

afterEach(() => void vi.useRealTimers());

describe('certificates are read again', () => {
  it('when their files are renamed, and no call of 64 in flight or on a new connection fails', async () => {
    holdLooks();
    const fixture = new TlsFixture();
    const address = await fixture.address('grpc');
    const load = new Load(address);
    for (const [certificate, name] of [
      [ROTATED, 'rotated'],
      [SIGNED, 'signed'],
      [ROTATED, 'rotated'],
    ] as const) {
      await calls(load, 200);
      fixture.put(certificate);
      await looked(`${name} is served`, async () => (await servedAt(address)) === name);
    }
    await calls(load, 200);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(load.connections).toBeGreaterThan(3);
    expect(fixture.lines().find(({ msg }) => msg === CHANGED)).toMatchObject({
      level: 30,
      names: 'IP Address:127.0.0.1, DNS:localhost',
      expires: '2126-01-01T00:00:00.000Z',
      sha256: expect.stringMatching(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/),
    });
    expect(fixture.lines().filter(({ level }) => level > 30)).toEqual([]);
  });

  it('when a symbolic link is swapped, as Kubernetes does it, under load', async () => {
    holdLooks();
    const folder = testFolder();
    const swap = mountedAs(folder);
    swap(SIGNED);
    const args = ['--tls-cert', join(folder, 'tls.crt'), '--tls-key', join(folder, 'tls.key')];
    const server = new LocalServer(join(folder, 'orders.db'), { args });
    const address = await server.serving();
    const load = new Load(address);
    await calls(load, 200);
    swap(ROTATED);
    await looked('they are read', () => server.log.some(({ msg }) => msg === CHANGED));
    expect(await servedAt(address)).toBe('rotated');
    await calls(load, 200);
    await load.stop();
    expect(load.failures).toEqual([]);
  });

  it('on SIGHUP at once, under load, and SIGTERM then stops the server', async () => {
    const folder = testFolder();
    const [cert, key] = [join(folder, 'tls.crt'), join(folder, 'tls.key')];
    putFile(SIGNED.certFile, cert);
    putFile(SIGNED.keyFile, key);
    const server = new ServerProcess(join(folder, 'orders.db'), { args: ['--tls-cert', cert, '--tls-key', key] });
    const address = await server.serving();
    const load = new Load(address);
    await calls(load, 100);
    server.child.kill('SIGHUP');
    await server.line('TLS files read again: nothing changed');
    putFile(ROTATED.certFile, cert);
    putFile(ROTATED.keyFile, key);
    server.child.kill('SIGHUP');
    await server.line(CHANGED);
    expect(await servedAt(address)).toBe('rotated');
    await calls(load, 100);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(await server.stop()).toBe(0);
  });

  it('for all listeners', async () => {
    const fixture = new TlsFixture({ args: ['--metrics-secure'] });
    await fixture.server.serving();
    fixture.put(ROTATED);
    await fixture.server.line(CHANGED);
    for (const listener of ['grpc', 'http', 'metrics'] as const) {
      const address = await fixture.address(listener);
      const { socket } = await shakeHands(address, { ALPNProtocols: listener === 'grpc' ? ['h2'] : [] }, 0);
      expect(socket.getPeerCertificate().subject.CN).toBe('rotated');
    }
  });

  it('and another client CA counts for new connections', async () => {
    const fixture = new TlsFixture({ mutual: true });
    const address = await fixture.address('grpc');
    const { session } = await shakeHands(address, CHECKOUT);
    putFile(OTHER_AUTHORITY.certFile, fixture.clientCaFile);
    const line = await fixture.server.line(/TLS files changed.*, open ones whose client CA was removed end/);
    expect(line).toMatchObject({ client_ca: ['CN=other-authority'] });
    const stranger = await fixture.client(STRANGER);
    await stranger.allocateOrder({ storeId: 7n, requestId: '' });
    // Not even with a session from before.
    for (const tls of [CHECKOUT, { ...CHECKOUT, session }]) expect((await shakeHands(address, tls)).end).toBeDefined();
    const again = await fixture.client(CHECKOUT);
    await failureOf(again.allocateOrder({ storeId: 7n, requestId: '' }, { deadlineMs: 500 }));
  });
});

describe('what does not fit keeps the old certificate', () => {
  it('a pair of which only one file is replaced yet; the other one completes it', async () => {
    holdLooks();
    const fixture = new TlsFixture();
    const address = await fixture.address('grpc');
    const load = new Load(address);
    for (const [first, second, certificate] of [
      ['cert', 'key', ROTATED],
      ['key', 'cert', SIGNED],
    ] as const) {
      const refused = async () => (await fixture.metric('order_numbers_tls_reload_failures_total'))[''] ?? 0;
      const before = await refused();
      putPart(fixture, first, certificate);
      await looked('the pair is refused', async () => (await refused()) > before);
      expect(await servedAt(address)).toBe(certificate === ROTATED ? 'signed' : 'rotated');
      putPart(fixture, second, certificate);
      const name = certificate === ROTATED ? 'rotated' : 'signed';
      await looked(`${name} is served`, async () => (await servedAt(address)) === name);
    }
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(fixture.lines().find(({ level }) => level === 40)!.msg).toBe(
      `--tls-key: ${fixture.keyFile} does not match the certificate in ${fixture.certFile}: use the key that belongs to that certificate; until then the server keeps using what it read before`,
    );
  });

  it('a broken file, with one warning per version and a count, until a good one comes', async () => {
    const fixture = new TlsFixture();
    const address = await fixture.address('grpc');
    const failures = () => fixture.metric('order_numbers_tls_reload_failures_total');
    for (const [i, text] of ['', 'no certificate', readFileSync(SIGNED.keyFile)].entries()) {
      writeFileSync(fixture.certFile, text);
      await vi.waitUntil(async () => (await failures())[''] === i + 1);
      expect(await servedAt(address)).toBe('signed');
    }
    const current = () => fixture.metric('order_numbers_tls_current');
    expect(await current()).toEqual({});
    rmSync(fixture.certFile);
    await fixture.server.line(/tls\.crt does not exist/);
    // Longer than it takes to look several times.
    for (let i = 0; i < 5; i++) expect(await servedAt(address, 300)).toBe('signed');
    expect(await failures()).toEqual({ '': 4 });
    expect(fixture.lines().filter(({ level }) => level === 40)).toHaveLength(4);
    fixture.put(ROTATED);
    await fixture.server.line(CHANGED);
    expect(await servedAt(address)).toBe('rotated');
    expect(await failures()).toEqual({ '': 4 });
    expect(await current()).toEqual({ '': 1 });
  });

  it('a broken file that is as before again is told of once', async () => {
    const fixture = new TlsFixture();
    await fixture.server.serving();
    writeFileSync(fixture.certFile, '');
    await fixture.server.line(/tls\.crt is empty/);
    expect(await fixture.metric('order_numbers_tls_current')).toEqual({});
    fixture.put(SIGNED);
    await fixture.server.line('TLS files read again: nothing changed');
    expect(await fixture.metric('order_numbers_tls_current')).toEqual({ '': 1 });
    fixture.put(ROTATED);
    await fixture.server.line(CHANGED);
    expect(fixture.lines().filter(({ msg }) => msg.includes('nothing changed'))).toHaveLength(1);
  });

  it('is told each time that it is asked for', async () => {
    const fixture = new TlsFixture();
    await fixture.server.serving();
    writeFileSync(fixture.keyFile, '');
    for (const failures of [1, 2]) {
      fixture.server.reload();
      await vi.waitFor(async () => {
        expect(await fixture.metric('order_numbers_tls_reload_failures_total')).toEqual({ '': failures });
      });
    }
  });
});

it('the expiry of the certificate in use is a metric', async () => {
  const fixture = new TlsFixture();
  const expiry = () => fixture.metric('order_numbers_tls_certificate_expiry_timestamp_seconds');
  expect(await expiry()).toEqual({ '': Date.UTC(2126, 0) / 1000 });
  fixture.put(SERVER_CERTIFICATE);
  await fixture.server.line(CHANGED);
  expect(await expiry()).toEqual({ '': Date.UTC(2126, 10, 2, 7, 0, 2) / 1000 });
});

it('SIGHUP stops a server that has no files to read', async () => {
  const server = new ServerProcess(join(testFolder(), 'orders.db'));
  await server.serving();
  server.child.kill('SIGHUP');
  expect(await server.exit()).toBe(0);
});

function putPart(fixture: TlsFixture, part: 'cert' | 'key', { certFile, keyFile }: Certificate): void {
  if (part === 'cert') putFile(certFile, fixture.certFile);
  else putFile(keyFile, fixture.keyFile);
}

/** Returns what fills a folder as the kubelet does: the files are links through `..data`, which is swapped. */
function mountedAs(folder: string): (certificate: Certificate) => void {
  let versions = 0;
  for (const name of ['tls.crt', 'tls.key']) symlinkSync(join('..data', name), join(folder, name));
  return ({ cert, key }) => {
    const version = `..version_${versions++}`;
    mkdirSync(join(folder, version));
    writeFileSync(join(folder, version, 'tls.crt'), cert);
    writeFileSync(join(folder, version, 'tls.key'), key);
    symlinkSync(version, join(folder, '..data_tmp'));
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
  };
}
