import { Client } from 'pg';
import { expect, it } from 'vitest';
import {
  BindingClient,
  channelBindingOf,
  NotBound,
} from '../../../../src/engines/postgres/connection/channel-binding.ts';

const PLUS = { mechanisms: ['SCRAM-SHA-256', 'SCRAM-SHA-256-PLUS'] };

it.each([
  ['', Client, false],
  ['?sslmode=require', Client, false],
  ['?channel_binding=disable', Client, false],
  ['?channel_binding=prefer', Client, true],
  ['?sslmode=require&channel_binding=require', BindingClient, true],
  // As parsePostgresUrl takes them.
  ['?channel_binding=requir%65', BindingClient, true],
  ['?channel%5Fbinding=require', BindingClient, true],
  ['?channel_binding=disable&channel_binding=require', BindingClient, true],
] as const)('%s asks for what it says', (parameters, client, isWanted) => {
  expect(channelBindingOf(`postgres://h/db${parameters}`)).toEqual({ Client: client, isWanted });
});

it.each([
  ['offers it and lets in without a proof', [['authenticationSASL', PLUS], ['authenticationOk']]],
  ['offers it and asks for the password', [['authenticationSASL', PLUS], ['authenticationCleartextPassword']]],
  ['does not offer it', [['authenticationSASL', { mechanisms: ['SCRAM-SHA-256'] }]]],
  ['lets everybody in', [['authenticationOk']]],
] as const)('a server that %s is refused', (_name, messages) => {
  expect(refusalOf(messages)).toBeInstanceOf(NotBound);
});

it('a server that proves that it knows the password is not', () => {
  expect(
    refusalOf([['authenticationSASL', PLUS], ['authenticationSASLFinal', {}], ['authenticationOk']]),
  ).toBeUndefined();
});

/** What ends the connection of a client on which these messages come, before the library itself answers any. */
function refusalOf(messages: readonly (readonly [name: string, message?: unknown])[]): Error | null | undefined {
  const { connection } = new BindingClient('postgres://h/db');
  connection.stream.on('error', () => {});
  for (const [name, message] of messages) connection.emit(name, message);
  return connection.stream.errored ?? undefined;
}
