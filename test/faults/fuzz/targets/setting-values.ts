import { isDeepStrictEqual } from 'node:util';
import { InvalidArgumentError } from 'commander';
import * as optionValues from '../../../../src/cli/run/option-values.ts';
import { exactNumber } from '../../../../src/core/text/plain-text.ts';
import {
  engineOf,
  ledgerName,
  parseLedger,
  parseLedgerPath,
  parseLedgerTable,
  parseLedgerUrl,
  parseRestoredLedger,
} from '../../../../src/engines/location.ts';
import { formatAddress, parseAddress } from '../../../../src/server/address.ts';
import { SERVE_SETTINGS } from '../../../../src/server/settings.ts';
import { printText, textsOf } from '../corpus.ts';
import type { FuzzTarget } from '../fuzzer.ts';
import { mutateText } from '../mutate/text.ts';

/** A password in a URL: no name of a ledger and no message may have it. */
const SECRET = 'hunter2';
const URL_WORDS = [
  ['postgres://', 'postgresql://', 'POSTGRES://', `u:${SECRET}@`, '@', 'localhost', ':5432', '/orders', '[::1]'],
  ['dynamodb://', 'DynamoDB://', 'orders', '?region=eu-central-1', '&region=', '&endpoint=http://127.0.0.1:8000', '#'],
  ['?sslmode=require', '&sslmode=', '&host=/run', '?options=-c', 'file:', './', '../', '~/', '%40', ','],
].flat();
const VALUE_WORDS = [
  ['127.0.0.1', ':0', '[::1]', 'localhost', 'off', 'none', 'all', 'true', 'false', 'info', 'https://', 'http://'],
  ['--', '/etc/tls.crt', '0.5', '1e3', 'dns:', 'unix:', ',', '.example'],
].flat();

/** What --ledger takes: a path or a URL. */
export const LEDGER_LOCATION: FuzzTarget<string> = {
  name: 'ledger location',
  seeds: textsOf('ledger-locations'),
  mutate: (input, other, random) => mutateText(input, other, random, URL_WORDS),
  print: (input) => `- ${printText(input)}`,
  check(input) {
    for (const parse of [parseLedgerPath, parseLedgerUrl, parseLedgerTable, parseRestoredLedger])
      outcomeOf(() => `${typeof parse(input)}`, input);
    return outcomeOf(() => {
      const ledger = parseLedger(input);
      if (parseLedger(ledger) !== ledger) throw new TypeError('it is another ledger when it is read again');
      const name = ledgerName(ledger);
      if (engineOf(ledger) !== 'sqlite' && isPassword(input) && name.includes(SECRET)) {
        throw new TypeError('the name has the password in it');
      }
      return engineOf(ledger);
    }, input);
  },
};

type Parser = (text: string) => unknown;

/** Everything that turns the text of a flag or a variable into a value, by its name. */
const PARSERS: readonly (readonly [name: string, parse: Parser])[] = [
  ...Object.entries(SERVE_SETTINGS).map(([name, { parse }]) => [name, parse as Parser] as const),
  ...Object.entries(optionValues).flatMap(([name, parse]) =>
    name === 'asOptionParser' ? [] : [[name, parse as Parser] as const],
  ),
  ['address again', (text) => sameAgain(parseAddress(text), (address) => parseAddress(formatAddress(address)))],
  ['exact number', (text) => exactNumber(text, 1n, 2n ** 63n - 1n)],
];

/** The values of flags and variables: each text is given to all of their parsers. */
export const SETTING_VALUE: FuzzTarget<string> = {
  name: 'setting value',
  seeds: textsOf('setting-values'),
  mutate: (input, other, random) => mutateText(input, other, random, VALUE_WORDS),
  print: (input) => `- ${printText(input)}`,
  check(input) {
    const takenBy = PARSERS.filter(([, parse]) => outcomeOf(() => (parse(input), 'taken'), input) === 'taken');
    return takenBy.map(([name]) => name).join(' ');
  },
};

/** A refusal is an Error in one sentence or two; what a program throws by mistake is none. */
function outcomeOf(parse: () => string, input: string): string {
  try {
    return parse();
  } catch (error) {
    const isRefusal = error instanceof InvalidArgumentError || (error instanceof Error && error.name === 'Error');
    if (!isRefusal || error.message === '') throw error;
    if (isPassword(input) && error.message.includes(SECRET)) {
      throw new TypeError('the message has the password in it', { cause: error });
    }
    return error.message.replaceAll(/\d+/g, '#').slice(0, 60);
  }
}

/** Whether the secret is where a URL has its password, and nowhere else. */
function isPassword(input: string): boolean {
  return /^[a-zA-Z]+:\/\/[^@/?#:]*:[^@/?#]*hunter2[^@/?#]*@/.test(input) && input.split(SECRET).length === 2;
}

function sameAgain<Value>(value: Value, again: (value: Value) => Value): Value {
  if (!isDeepStrictEqual(again(value), value)) throw new TypeError('it is another value when it is written again');
  return value;
}
