import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { messageOf } from '../../core/errors.ts';
import type { Address } from '../address.ts';
import { listenOn } from '../address.ts';
import { MAX_METRICS_CONNECTIONS } from '../limits.ts';

const REQUEST_MS = 10_000;
/** Prometheus scrapes once a minute or more often, over one connection. */
const KEEP_ALIVE_MS = 65_000;
const PLAIN_TEXT = 'text/plain; charset=utf-8';

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

/** Serves GET and HEAD of one page. Rejects if it cannot listen on the address. */
export async function servePage(address: Address, page: Page): Promise<PageServer> {
  const server = createServer(
    { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, keepAliveTimeout: KEEP_ALIVE_MS },
    (request, response) => void answer(request, response, page),
  );
  // Also ends connections whose clients do not read the answer.
  server.timeout = REQUEST_MS;
  server.maxConnections = MAX_METRICS_CONNECTIONS;
  const bound = await listenOn(server, address);
  // A connection that could not be accepted, for lack of file descriptors, must not end the process.
  server.on('error', () => {});
  return {
    address: bound,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Never rejects. */
async function answer(request: IncomingMessage, response: ServerResponse, page: Page): Promise<void> {
  const [path] = (request.url ?? '').split('?');
  if (path !== page.path) return send(response, 404, PLAIN_TEXT, `not found; use ${page.path}\n`);
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return send(response, 405, PLAIN_TEXT, 'method not allowed; use GET\n');
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
