import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { Option } from 'commander';
import { DEFAULT_PORT } from '../../client/connection/address.ts';
import type { ClientOptions } from '../../client/index.ts';
import { messageOf } from '../../core/errors.ts';
import { parseBoolean, trimmed, wholeNumber } from '../../core/text/plain-text.ts';
import { asOptionParser, notEmpty, parseServer, parseText } from './option-values.ts';

/** What every command that asks a server can be told. */
export interface ClientFlags {
  readonly server: string;
  readonly token?: string;
  readonly tls?: boolean;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly timeoutMs?: number;
  readonly json?: boolean;
}

/** Their variables, among which a mistyped one is looked for. */
export const CLIENT_VARIABLES = [
  'ORDERS_SERVER',
  'ORDERS_TOKEN',
  'ORDERS_TIMEOUT_MS',
  'ORDERS_CLIENT_TLS',
  'ORDERS_CLIENT_TLS_CA',
  'ORDERS_CLIENT_TLS_CERT',
  'ORDERS_CLIENT_TLS_KEY',
];

/** What `serve` listens on unless it is told otherwise. */
export const DEFAULT_SERVER = `127.0.0.1:${DEFAULT_PORT}`;
const MAX_TIMEOUT_MS = 3_600_000;
/** As the client itself has it. */
const DEFAULT_TIMEOUT_MS = 30_000;
/** How long a command that only reads looks for a server. */
const READ_UNREACHABLE_MS = 2_000;

/** Gives a command the flags of {@link ClientFlags}. */
export function withClientOptions(command: Command): Command {
  const timeout = new Option(
    '--timeout-ms <ms>',
    `how long a call may take, with all its attempts; unless it is given, a command that only reads gives up after ${READ_UNREACHABLE_MS} when no server answers`,
  )
    .env('ORDERS_TIMEOUT_MS')
    .default(DEFAULT_TIMEOUT_MS)
    .argParser(asOptionParser(trimmed(wholeNumber(1, MAX_TIMEOUT_MS))));
  return withJsonOption(addConnectionOptions(command).addOption(timeout));
}

/** The same without a time limit, for what has no end, or an end that is not known beforehand. */
export function withConnectionOptions(command: Command): Command {
  return withJsonOption(addConnectionOptions(command));
}

function withJsonOption(command: Command): Command {
  return command.option(
    '--json',
    'write one JSON object a line: proto names in camelCase, int64 as strings, no field left out',
  );
}

/**
 * Where the server is, and how to speak to it; each is a variable of the environment, too, and the flag
 * wins. The TLS variables say CLIENT: ORDERS_TLS_CERT is the server's own certificate, and both may run in one
 * environment.
 */
function addConnectionOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--server <host:port>', `the server to ask; without a port it is ${DEFAULT_PORT}`)
        .env('ORDERS_SERVER')
        .default(DEFAULT_SERVER)
        .argParser(parseServer),
    )
    .addOption(new Option('--token <token>', 'sent with every call').env('ORDERS_TOKEN').argParser(parseText))
    .addOption(
      new Option('--tls [true|false]', 'speak TLS, with the authorities that this machine trusts')
        .env('ORDERS_CLIENT_TLS')
        .preset('true')
        .argParser(asOptionParser(trimmed(parseBoolean))),
    )
    .addOption(fileOption('--tls-ca <file>', 'PEM: trust these authorities instead', 'ORDERS_CLIENT_TLS_CA'))
    .addOption(fileOption('--tls-cert <file>', 'PEM: our certificate, for mutual TLS', 'ORDERS_CLIENT_TLS_CERT'))
    .addOption(fileOption('--tls-key <file>', "PEM: our certificate's key", 'ORDERS_CLIENT_TLS_KEY'));
}

/** The client's options. Ends the program as wrong usage if the flags contradict one another. */
export function clientOptions(flags: ClientFlags, command: Command): ClientOptions {
  const { server, token, timeoutMs } = flags;
  const isChosen = command.getOptionValueSource('timeoutMs') !== 'default' && timeoutMs !== undefined;
  const tls = tlsOptions(flags, command);
  return {
    address: server,
    // An empty variable is one that was switched off.
    ...(token ? { token } : {}),
    ...(tls === undefined ? {} : { tls }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    unreachableTimeoutMs: isChosen ? timeoutMs : READ_UNREACHABLE_MS,
  };
}

function tlsOptions({ tls, tlsCa, tlsCert, tlsKey }: ClientFlags, command: Command): ClientOptions['tls'] {
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    command.error('error: --tls-cert and --tls-key belong together: give both or none');
  }
  const files = { ca: tlsCa, cert: tlsCert, key: tlsKey };
  const given = Object.entries(files).flatMap(([name, path]) => (path === undefined ? [] : [{ name, path }]));
  if (tls === false && given.length > 0) {
    command.error(`error: --tls-${given[0]!.name} needs TLS, which --tls false switches off: leave one of them away`);
  }
  if (given.length === 0) return tls ? true : undefined;
  return Object.fromEntries(given.map(({ name, path }) => [name, readPem(`--tls-${name}`, path, command)]));
}

function readPem(flag: string, path: string, command: Command): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return command.error(
      `error: the file of ${flag} cannot be read (${messageOf(error)}): give the path of a PEM file`,
    );
  }
  // The TLS library skips what it cannot read, and then trusts no server.
  if (text.includes('-----BEGIN ')) return text;
  return command.error(`error: the file of ${flag}, ${path}, is not PEM: it has no line with -----BEGIN`);
}

function fileOption(flag: string, help: string, variable: string): Option {
  return new Option(flag, help).env(variable).argParser(notEmpty);
}
