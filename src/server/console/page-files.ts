import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';

/** One file of the console's page. */
export interface PageFile {
  /** Its path on the server: `/` for the page itself, and `/console/…` for what belongs to it. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** What is served, with its entity tag. Read once, at the first request. */
  content(): PageContent;
}

export interface PageContent {
  readonly body: Buffer;
  readonly etag: string;
}

const FOLDER = join(import.meta.dirname, 'page');
const PAGE = 'index.html';
/** What is served; anything else in the folder is not. */
const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/**
 * A browser runs scripts and shows styles of this server only, sends data to this server only, and lets no other page
 * embed this one. No mistake in the page can turn text from a ledger into markup: there are no trusted types.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  // A browser asks each time whether it has the files of this release.
  'cache-control': 'no-cache',
};

/** The files of the console. They are what the browser gets: plain modules, with no build in between. */
export function pageFiles(): readonly PageFile[] {
  const names = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).map((name) => name.replaceAll('\\', '/'));
  return names.flatMap((name) => {
    const contentType = CONTENT_TYPES[extname(name)];
    return contentType === undefined ? [] : [toFile(name, contentType)];
  });
}

function toFile(name: string, contentType: string): PageFile {
  let content: PageContent | undefined;
  return {
    path: name === PAGE ? '/' : `/console/${name}`,
    headers: { ...HEADERS, 'content-type': contentType },
    content: () => (content ??= read(name)),
  };
}

function read(name: string): PageContent {
  const body = readFileSync(join(FOLDER, name));
  return { body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` };
}
