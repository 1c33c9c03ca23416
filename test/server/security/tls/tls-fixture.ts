import { copyFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Certificate } from '../../../support/network/certificates.ts';
import { AUTHORITY, SIGNED } from '../../../support/network/certificates.ts';
import type { LogLine } from '../../../support/log-lines.ts';
import type { OrdersClient } from '../../../support/clients/orders-client.ts';
import { connect } from '../../../support/clients/orders-client.ts';
import { LocalServer } from '../../../support/processes/local-server.ts';
import { testFolder } from '../../../support/processes/server-process.ts';

interface TlsFixtureOptions {
  readonly certificate?: Certificate;
  readonly mutual?: boolean;
  readonly args?: readonly string[];
}

/** A server with TLS, whose files are in a folder of its own and can be replaced. */
export class TlsFixture {
  readonly folder = testFolder();
  readonly server: LocalServer;

  /** `mutual`: clients need a certificate. */
  constructor({ certificate = SIGNED, mutual = false, args = [] }: TlsFixtureOptions = {}) {
    this.put(certificate);
    putFile(AUTHORITY.certFile, this.clientCaFile);
    const flags = ['--tls-cert', this.certFile, '--tls-key', this.keyFile];
    if (mutual) flags.push('--tls-client-ca', this.clientCaFile);
    this.server = new LocalServer(join(this.folder, 'orders.db'), { args: [...flags, ...args] });
  }

  get certFile(): string {
    return join(this.folder, 'tls.crt');
  }

  get keyFile(): string {
    return join(this.folder, 'tls.key');
  }

  get clientCaFile(): string {
    return join(this.folder, 'client-ca.crt');
  }

  /** Replaces both files, each at once. */
  put({ certFile, keyFile }: Certificate): void {
    putFile(certFile, this.certFile);
    putFile(keyFile, this.keyFile);
  }

  async address(listener: 'grpc' | 'http' | 'metrics'): Promise<string> {
    return String((await this.server.line('serving'))[listener]);
  }

  /** A client of gRPC; it trusts the authority unless told otherwise. */
  async client(tls: { cert?: Buffer; key?: Buffer; ca?: Buffer } = {}): Promise<OrdersClient> {
    const client = connect(await this.address('grpc'), { ca: AUTHORITY.cert, ...tls });
    onTestFinished(() => client.close());
    return client;
  }

  /** The values of a metric that are not 0, by its label `reason`, or by the empty text. */
  async metric(name: string): Promise<Record<string, number>> {
    const address = await this.address('metrics');
    const text = await (await fetch(`http://${address}/metrics`)).text();
    const samples = text.matchAll(/^(\w+)(?:\{reason="(\w+)"\})? (\S+)$/gm);
    return Object.fromEntries(
      [...samples].flatMap(([, known, reason = '', value]) =>
        known === name && value !== '0' ? [[reason, Number(value)]] : [],
      ),
    );
  }

  /** The lines of the log about its TLS, so far. */
  lines(): LogLine[] {
    return this.server.log.filter(({ msg }) => /TLS|--tls/.test(msg));
  }
}

/** As a careful program writes a file: under another name first. */
export function putFile(from: string, to: string): void {
  copyFileSync(from, `${to}.new`);
  renameSync(`${to}.new`, to);
}
