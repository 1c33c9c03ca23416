import type { AddressInfo, Server, Socket } from 'node:net';
import { isIPv6 } from 'node:net';

/** A host and port to listen on. Port 0 means any free one. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A name that cannot be looked up is refused here: quotes, say, that belong to a shell. */
const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s[\]'"`/@\\${}]+)):(\d{1,5})$/;

export function parseAddress(text: string): Address {
  const match = ADDRESS.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined) throw new Error('Use host:port, such as 127.0.0.1:50051 or [::1]:50051.');
  if (port > 65_535) throw new Error('Use host:port with a port from 0 to 65535.');
  return { host, port };
}

export function parseAddressOrOff(text: string): Address | 'off' {
  if (text === 'off') return 'off';
  try {
    return parseAddress(text);
  } catch (error) {
    const remedy = ADDRESS.test(text)
      ? 'Use host:port with a port from 0 to 65535, or off.'
      : 'Use host:port, such as 127.0.0.1:3000 or [::1]:3000, or off.';
    throw new Error(remedy, { cause: error });
  }
}

/** As in a URL or a flag: an IPv6 host is in brackets. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Where a connection comes from; both are empty once it has closed. */
export interface Peer {
  readonly host: string;
  /** Host and port. */
  readonly name: string;
}

export function peerOf({ remoteAddress: host, remotePort: port }: Socket): Peer {
  return host === undefined || port === undefined
    ? { host: '', name: '' }
    : { host, name: formatAddress({ host, port }) };
}

/** Whether only this machine can reach a listener on `host`. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Resolves to the address that the server got, with its real port; rejects if it cannot listen there. */
export async function listenOn(server: Server, address: Address): Promise<Address> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const { port } = server.address() as AddressInfo;
  return { host: address.host, port };
}

/** What one client usually has: a whole IPv4 address, or the first 64 bits of an IPv6 address. */
export function networkOf(address: string): string {
  const [text = ''] = address.split('%');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(text)) return text;
  const [head = '', tail] = text.split('::');
  const front = groupsOf(head);
  const zeros = tail === undefined ? [] : Array<string>(8 - front.length - groupsOf(tail).length).fill('0');
  return [...front, ...zeros, ...groupsOf(tail ?? '')].slice(0, 4).join(':');
}

function groupsOf(text: string): string[] {
  // The same group can be written in different ways, such as 0db8 and db8.
  return text === '' ? [] : text.split(':').map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''));
}
