import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { Option } from 'commander';
import { DEFAULT_ADDRESS, DEFAULT_PORT } from '../../client/connection/address.ts';
import type { ClientOptions } from '../../client/index.ts';
import { messageOf } from '../../core/errors.ts';
import { parseBoolean, trimmed, wholeNumber } from '../../core/text/plain-text.ts';
import type { OutputFlags, OutputForms } from '../view/output-option.ts';
import { withOutput } from '../view/output-option.ts';
import { asOptionParser, notEmpty, parseServer, parseText } from './option-values.ts';

/** The options of every command that calls a server. */
export interface ClientFlags extends OutputFlags {
  readonly server: string;
  readonly token?: string;
  readonly tls?: boolean;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly timeoutMs?: number;
}

/** Their environment variables, with which a mistyped one is compared. */
export const CLIENT_VARIABLES = [
  'ORDERS_SERVER',
  'ORDERS_TOKEN',
  'ORDERS_TIMEOUT_MS',
  'ORDERS_CLIENT_TLS',
  'ORDERS_CLIENT_TLS_CA',
  'ORDERS_CLIENT_TLS_CERT',
  'ORDERS_CLIENT_TLS_KEY',
];

const PROTO_JSON = 'json, one object per line: proto names in camelCase, int64 as strings, no field omitted';
const MAX_TIMEOUT_MS = 3_600_000;
/** The client's own default. */
const DEFAULT_TIMEOUT_MS = 30_000;
/** How long a command that only reads tries to reach a server. */
const READ_UNREACHABLE_MS = 2_000;

/** Gives a command the flags of {@link ClientFlags}. */
export function withClientOptions(command: Command, forms: Partial<OutputForms> = {}): Command {
  const timeout = new Option(
    '--timeout-ms <ms>',
    `time limit of a call, retries included; by default, read-only commands give up after ${READ_UNREACHABLE_MS} ms if no server answers`,
  )
    .env('ORDERS_TIMEOUT_MS')
    .default(DEFAULT_TIMEOUT_MS)
    .argParser(asOptionParser(trimmed(wholeNumber(1, MAX_TIMEOUT_MS))));
  return withOutput(addConnectionOptions(command).addOption(timeout), { json: PROTO_JSON, ...forms });
}

/** The same without a time limit, for streams, which last as long as they have something to send. */
export function withConnectionOptions(command: Command, forms: Partial<OutputForms> = {}): Command {
  return withOutput(addConnectionOptions(command), { json: PROTO_JSON, ...forms });
}

/**
 * Adds the address of the server and how to connect to it. Each is also an environment variable, and the flag wins. The
 * TLS variables say CLIENT: ORDERS_TLS_CERT is the server's own certificate, and both may run in one environment.
 */
function addConnectionOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--server <host:port>', `address of the server; the port defaults to ${DEFAULT_PORT}`)
        .env('ORDERS_SERVER')
        .default(DEFAULT_ADDRESS, DEFAULT_ADDRESS)
        .argParser(parseServer),
    )
    .addOption(
      new Option('--token <token>', 'bearer token to send with every call').env('ORDERS_TOKEN').argParser(parseText),
    )
    .addOption(
      new Option('--tls [true|false]', 'use TLS and trust the certificate authorities of this machine')
        .env('ORDERS_CLIENT_TLS')
        .argParser(asOptionParser(trimmed(parseBoolean))),
    )
    .addOption(
      fileOption('--tls-ca <file>', 'PEM file: trust these certificate authorities instead', 'ORDERS_CLIENT_TLS_CA'),
    )
    .addOption(
      fileOption('--tls-cert <file>', 'PEM file: client certificate, for mutual TLS', 'ORDERS_CLIENT_TLS_CERT'),
    )
    .addOption(
      fileOption('--tls-key <file>', 'PEM file: private key of the client certificate', 'ORDERS_CLIENT_TLS_KEY'),
    );
}

/** The client's options. Ends the program as wrong usage if the flags contradict one another. */
export function clientOptions(flags: ClientFlags, command: Command): ClientOptions {
  const { server, token, timeoutMs } = flags;
  const isChosen = command.getOptionValueSource('timeoutMs') !== 'default' && timeoutMs !== undefined;
  const tls = tlsOptions(flags, command);
  return {
    address: server,
    // An empty variable counts as not set.
    ...(token ? { token } : {}),
    ...(tls === undefined ? {} : { tls }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    unreachableTimeoutMs: isChosen ? timeoutMs : READ_UNREACHABLE_MS,
  };
}

function tlsOptions({ tls, tlsCa, tlsCert, tlsKey }: ClientFlags, command: Command): ClientOptions['tls'] {
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    command.error('error: --tls-cert and --tls-key go together: give both or neither');
  }
  const files = { ca: tlsCa, cert: tlsCert, key: tlsKey };
  const given = Object.entries(files).flatMap(([name, path]) => (path === undefined ? [] : [{ name, path }]));
  if (tls === false && given.length > 0) {
    command.error(`error: --tls-${given[0]!.name} needs TLS, which --tls false turns off: omit one of them`);
  }
  if (given.length === 0) return tls ? true : undefined;
  return Object.fromEntries(given.map(({ name, path }) => [name, readPem(`--tls-${name}`, path, command)]));
}

function readPem(flag: string, path: string, command: Command): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return command.error(`error: cannot read the file of ${flag} (${messageOf(error)}): give the path of a PEM file`);
  }
  // The TLS library skips what it cannot read, and then trusts no server.
  if (text.includes('-----BEGIN ')) return text;
  return command.error(`error: the file of ${flag}, ${path}, is not PEM: it has no -----BEGIN line`);
}

function fileOption(flag: string, help: string, variable: string): Option {
  return new Option(flag, help).env(variable).argParser(notEmpty);
}
