import { isIP } from 'node:net';
import { isLoopback } from '../../address.ts';

/** A name as it is in a Host header, without a port. */
const HOST_NAME = /^(?!\d+$)[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?$/;
/** A Host header: a name, or an address, and perhaps a port. */
const HOST_HEADER = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::\d{1,5})?$/;

/** Host names, separated by commas, or none. Throws an Error that says what a good value is. */
export function parseHosts(text: string): readonly string[] {
  if (text === 'none') return [];
  return text.split(',').map((part) => {
    const host = part.trim().toLowerCase();
    if (HOST_NAME.test(host) || isIP(host) !== 0) return host;
    throw new Error('Use host names without a port, separated by commas, such as orders.internal,10.0.0.5, or none.');
  });
}

/**
 * Whether a request with this Host header means this server: by a name of the loopback, by the address that it listens
 * on, or by one of `hosts`. Any other name may belong to a foreign page that makes it resolve to this address (DNS
 * rebinding), so that a browser lets the page call this server. A server that listens on every address accepts any IP
 * address: an address cannot be rebound.
 */
export function isAllowedHost(header: string, listenHost: string, hosts: readonly string[]): boolean {
  const named = HOST_HEADER.exec(header.toLowerCase())?.[1];
  if (named === undefined) return false;
  const host = named.startsWith('[') ? named.slice(1, -1) : named.replace(/\.$/, '');
  if (isLoopback(host) || host.endsWith('.localhost')) return true;
  if (host === listenHost.toLowerCase() || hosts.includes(host)) return true;
  return isIP(host) !== 0 && (listenHost === '0.0.0.0' || listenHost === '::');
}
