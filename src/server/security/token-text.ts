import { hash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** The prefix of every token of this service, by which scanners for leaked secrets find it. */
const PREFIX = 'ordn_';
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const SECRET_BYTES = 32;
/** The base-62 digits of 256 bits. */
const SECRET_LENGTH = 43;
/** The base-62 digits of 32 bits. */
const CHECKSUM_LENGTH = 6;
/** The length of a token: the prefix, the secret, and the checksum of both. */
export const TOKEN_LENGTH = PREFIX.length + SECRET_LENGTH + CHECKSUM_LENGTH;

const TOKEN = new RegExp(`^${PREFIX}[0-9A-Za-z]{${SECRET_LENGTH + CHECKSUM_LENGTH}}$`);
const TOKENS = new RegExp(`${PREFIX}[0-9A-Za-z]+`, 'g');

/** What a text is: a token, a mistyped or truncated token, or something else. */
export type TokenKind = 'token' | 'mistyped' | 'foreign';

/** A new token with 256 bits from the system's random source. */
export function newToken(): string {
  const secret = base62(BigInt(`0x${randomBytes(SECRET_BYTES).toString('hex')}`), SECRET_LENGTH);
  return withChecksum(PREFIX + secret);
}

/** Judges the text alone; whether a server knows the token is another question. */
export function kindOfToken(text: string): TokenKind {
  if (!text.startsWith(PREFIX)) return 'foreign';
  return TOKEN.test(text) && withChecksum(text.slice(0, -CHECKSUM_LENGTH)) === text ? 'token' : 'mistyped';
}

/** The SHA-256 of a token in lower-case hex, which is all that a server keeps. */
export function hashOfToken(token: string): string {
  return hash('sha256', token, 'hex');
}

/** The text for a message, with all tokens in it masked, even mistyped ones. */
export function withoutTokens(text: string): string {
  return text.replace(TOKENS, `${PREFIX}…`);
}

/** The path of a token file, which is read when the server starts, or off. */
export function parseTokensPath(text: string): string {
  const remedy = 'Use the path of a token file, such as tokens.json, or off.';
  // Probably a client's token: its flag and its variable are easily confused with these.
  if (text === '' || text.startsWith('-') || withoutTokens(text) !== text) throw new Error(remedy);
  return text;
}

function withChecksum(text: string): string {
  return text + base62(BigInt(crc32(text)), CHECKSUM_LENGTH);
}

/** Padded with zeros on the left. */
function base62(number: bigint, length: number): string {
  let digits = '';
  for (let rest = number; rest > 0n; rest /= 62n) digits = DIGITS[Number(rest % 62n)] + digits;
  return digits.padStart(length, '0');
}
