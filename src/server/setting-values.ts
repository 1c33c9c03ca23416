/** A host and port to listen on. Port 0 means any free one. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

export type LogLevel = (typeof LOG_LEVELS)[number];
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/** A name that cannot be looked up is refused here: quotes, say, that belong to a shell. */
const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s[\]'"`/@\\${}]+)):(\d{1,5})$/;
/** A UUID, in the lower case that every ledger_id has. */
const LEDGER_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

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

export function parseLedgerId(text: string): string {
  if (text === 'none' || LEDGER_ID.test(text)) return text;
  throw new Error('Use a ledger_id, such as 0b0e3f9a-6c1d-4f0e-9a51-6a3f5c1f7d22, or none.');
}

export function parseLogLevel(text: string): LogLevel {
  const level = LOG_LEVELS.find((known) => known === text);
  if (level === undefined) throw new Error(`Use one of ${LOG_LEVELS.join(', ')}.`);
  return level;
}
