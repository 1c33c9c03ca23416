import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageOf } from '../../core/errors.ts';
import type { Address } from '../address.ts';
import { listenOn } from '../address.ts';
import { MAX_METRICS_CONNECTIONS } from '../limits.ts';
import { clientCertificateOf } from '../security/client-certificate.ts';
import type { ListenerTls } from '../security/tls/listener-tls.ts';
import { createWebServer } from '../security/tls/web-server.ts';

const REQUEST_MS = 10_000;
/** Prometheus scrapes once a minute or more often, over one connection. */
const KEEP_ALIVE_MS = 65_000;
const PLAIN_TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';

/** The one page of a {@link PageServer}. */
export interface Page {
  /** The path of the URL, without a query. */
  readonly path: string;
  readonly contentType: string;
  /** Called for each request. */
  text(): Promise<string>;
}

/** A server of one page that listens. */
export interface PageServer {
  readonly address: Address;
  /** Ends every connection at once: a scrape that is cut off is repeated. */
  close(): Promise<void>;
}

/** What a {@link PageServer} serves, and how. */
export interface PageServerOptions {
  readonly address: Address;
  readonly page: Page;
  /** The pages of probes, which need no credentials. `text` is called for each request. */
  readonly probes: readonly Probe[];
  /** Absent for plaintext. */
  readonly tls?: ListenerTls | undefined;
  /** Why a request for the page is refused, if it is. */
  refuse?(request: IncomingMessage): PageRefusal | undefined;
}

/** The answer at one path. */
export interface Probe {
  readonly path: string;
  answer(): { readonly status: number; readonly json: string };
}

export interface PageRefusal {
  readonly status: 401 | 403;
  /** One sentence that says what to send. */
  readonly message: string;
  readonly endsConnection: boolean;
}

/** Serves GET and HEAD of one page, and of probes. Rejects if it cannot listen on the address. */
export async function servePage(options: PageServerOptions): Promise<PageServer> {
  const limits = { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, keepAliveTimeout: KEEP_ALIVE_MS };
  const { server, dropHandshakes } = createWebServer(limits, options.tls);
  server.on('request', (request, response) => void answer(request, response, options));
  // Also ends connections whose clients do not read the answer.
  server.timeout = REQUEST_MS;
  server.maxConnections = MAX_METRICS_CONNECTIONS;
  const bound = await listenOn(server, options.address);
  // A connection that could not be accepted, for lack of file descriptors, must not end the process.
  server.on('error', () => {});
  return {
    address: bound,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      dropHandshakes();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Never rejects. */
async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { page, probes, refuse }: PageServerOptions,
): Promise<void> {
  const [path] = (request.url ?? '').split('?');
  const probe = probes.find((known) => known.path === path);
  if (path !== page.path && !probe) return send(response, 404, PLAIN_TEXT, `not found; use ${page.path}\n`);
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return send(response, 405, PLAIN_TEXT, 'method not allowed; use GET\n');
  }
  if (probe) {
    const { status, json } = probe.answer();
    return send(response, status, JSON_TYPE, json);
  }
  if (clientCertificateOf(request.socket)?.ended.aborted) response.setHeader('Connection', 'close');
  const refusal = refuse?.(request);
  if (refusal) {
    if (refusal.status === 401) response.setHeader('WWW-Authenticate', 'Bearer');
    if (refusal.endsConnection) response.setHeader('Connection', 'close');
    return send(response, refusal.status, PLAIN_TEXT, `${refusal.message}\n`);
  }
  try {
    send(response, 200, page.contentType, await page.text());
  } catch (error) {
    send(response, 500, PLAIN_TEXT, `${messageOf(error)}\n`);
  }
}

function send(response: ServerResponse, status: number, contentType: string, text: string): void {
  response.writeHead(status, { 'Content-Type': contentType, 'Content-Length': Buffer.byteLength(text) }).end(text);
}
