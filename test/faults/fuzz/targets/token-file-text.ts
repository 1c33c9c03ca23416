import { isDeepStrictEqual } from 'node:util';
import { hasControlCharacter } from '../../../../src/core/text/plain-text.ts';
import { formatTokenFile, parseTokenFile } from '../../../../src/server/security/token-file.ts';
import { printText, textsOf } from '../corpus.ts';
import type { FuzzTarget } from '../fuzzer.ts';
import { mutateJson } from '../mutate/json.ts';

/** A token that someone has put where its hash belongs: no message may have it. */
const SECRET = 'ordn_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG012345';
const NAMES = ['version', 'tokens', 'name', 'sha256', 'san', 'stores', 'verbs', 'expires', 'revoked', SECRET];

/** The text of a token file. */
export const TOKEN_FILE_TEXT: FuzzTarget<string> = {
  name: 'token file',
  seeds: textsOf('token-file-text'),
  mutate: (input, other, random) => mutateJson(input, other, random, NAMES),
  print: (input) => `- ${printText(input)}`,
  check(input) {
    let entries;
    try {
      entries = parseTokenFile(input);
    } catch (error) {
      return checkMessage(error);
    }
    if (!isDeepStrictEqual(parseTokenFile(formatTokenFile(entries)), entries)) {
      throw new Error('it has other entries when it is written again');
    }
    return 'entries';
  },
};

function checkMessage(thrown: unknown): string {
  const isExpected = thrown instanceof Error && (thrown.name === 'Error' || thrown.name === 'RangeError');
  if (!isExpected) throw thrown;
  const { message } = thrown;
  if (message.includes(SECRET.slice(0, 12))) throw new Error('the message has a token in it');
  if (hasControlCharacter(message)) throw new Error('the message has a control character');
  return message.replaceAll(/".*"|\d+/g, '#').slice(0, 80);
}
