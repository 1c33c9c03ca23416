import { isIPv6 } from 'node:net';

/** The port of an address that names none. */
export const DEFAULT_PORT = 50_051;

/** Where `order-numbers serve` listens by default. */
export const DEFAULT_ADDRESS = `127.0.0.1:${DEFAULT_PORT}`;

/** The address of a server. */
export interface ServerAddress {
  /** The target for the gRPC library. */
  readonly target: string;
  /** As people write it: host:port, or the given text for a Unix socket. */
  readonly name: string;
  /** Undefined for a Unix socket. */
  readonly host: string | undefined;
  readonly port: number;
  /** Whether it is on this machine: a proxy cannot help there. */
  readonly isLoopback: boolean;
}

const SCHEME = /^(dns:(?:\/\/[^/]*\/)?|ipv4:|ipv6:)?(.*)$/;
const HOST_AND_PORT = /^(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([^:\s[\]/@?#,'"`$]+))(?::(\d{1,5}))?$/;
const LOOPBACK = /^(localhost|[^.]+(\.[^.]+)*\.localhost|127(\.\d{1,3}){0,3}|0\.0\.0\.0)$/;

const URL_LIKE = /^(https?|grpcs?):\/\/(?:[^/?#]*@)?([^/?#]*)/i;

/** Reads `host`, `host:port`, `[::1]:port` or a target of gRPC; throws a TypeError that shows what is valid. */
export function parseServerAddress(text: string): ServerAddress {
  if (typeof text === 'string' && /^unix(-abstract)?:./.test(text)) {
    return { target: text, name: text, host: undefined, port: 0, isLoopback: true };
  }
  const [, scheme = '', rest = ''] = SCHEME.exec(String(text)) ?? [];
  const hosts = (scheme.startsWith('ipv') ? rest.split(',') : [rest]).map(parseHost);
  const [first] = hosts;
  if (typeof text !== 'string' || first === undefined || hosts.includes(undefined)) {
    throw new TypeError(`address ${shown(text)} is not valid: ${remedy(text)}`);
  }
  const names = hosts.map((host) => formatHost(host!));
  return {
    target: `${scheme === '' ? 'dns:' : scheme}${names.join(',')}`,
    name: names.join(','),
    ...first,
    isLoopback: hosts.every((host) => isLoopback(host!.host)),
  };
}

/**
 * What a URL means as an address, and whether with TLS; undefined for any other text. A URL is not an address, because
 * its default port is not ours, and its path would be ignored.
 */
export function addressInUrl(text: string): { readonly address: string; readonly usesTls: boolean } | undefined {
  const [, scheme = '', authority = ''] = URL_LIKE.exec(text) ?? [];
  const host = parseHost(authority);
  return host && { address: formatHost(host), usesTls: /s$/i.test(scheme) };
}

function remedy(text: unknown): string {
  const { address, usesTls } = (typeof text === 'string' && addressInUrl(text)) || {};
  if (address !== undefined) return `it is a URL: use "${address}"${usesTls ? ' with tls: true' : ''}`;
  return 'it must be host or host:port, such as localhost, 127.0.0.1:50051 or [::1]:50051';
}

/** Without what may be a password. */
function shown(text: unknown): string {
  return typeof text === 'string' ? JSON.stringify(text.replace(/\/\/[^/?#]*@/, '//…@')) : String(text);
}

function parseHost(text: string): { readonly host: string; readonly port: number } | undefined {
  const [, inBrackets, plain, digits] = HOST_AND_PORT.exec(text) ?? [];
  const host = inBrackets ?? plain;
  const port = digits === undefined ? DEFAULT_PORT : Number(digits);
  if (host === undefined || port < 1 || port > 65_535) return undefined;
  if (inBrackets !== undefined && !isIPv6(inBrackets)) return undefined;
  // A port alone would be taken as a host's number.
  if (plain !== undefined && digits === undefined && /^\d+$/.test(plain)) return undefined;
  return { host, port };
}

function formatHost({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '');
  if (!isIPv6(name)) return LOOPBACK.test(name);
  // The same address can be written in many ways; a URL has one.
  const canonical = new URL(`http://[${name.replace(/%.*$/, '')}]`).hostname;
  return canonical === '[::1]' || canonical === '[::]' || canonical.startsWith('[::ffff:7f');
}
