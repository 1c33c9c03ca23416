import { styleText } from 'node:util';
import { CONTROL_CHARACTERS } from '../../core/text/plain-text.ts';

/** A line of the log as pino writes it. */
interface Line {
  readonly level: string;
  readonly time: string;
  readonly msg?: string;
  readonly err?: { readonly type?: string; readonly message?: string };
  readonly [field: string]: unknown;
}

const COLORS = {
  fatal: 'red',
  error: 'red',
  warn: 'yellow',
  info: 'green',
  debug: 'blue',
  trace: 'gray',
} as const;
/** Fields that a person at the terminal does not need. */
const LEFT_OUT = new Set(['level', 'time', 'msg', 'pid', 'hostname']);
/** Characters that JSON allows in a string, but that some readers treat as a line end or a terminal command. */
const UNSAFE_IN_JSON = /[\u007f-\u009f\u2028\u2029]/g;
const BARE = /^[^\s"=]+$/;

/** The same line of JSON with those characters escaped, which only strings can contain. */
export function safeJson(json: string): string {
  return json.replace(UNSAFE_IN_JSON, escaped);
}

/** One line of JSON as one line for a person: time, level, message, then the fields. */
export function toText(json: string, isColored: boolean): string {
  const line = JSON.parse(json) as Line;
  const color = Object.hasOwn(COLORS, line.level) ? COLORS[line.level as keyof typeof COLORS] : 'gray';
  const level = line.level.toUpperCase().padEnd(5);
  const fields = Object.entries(line)
    .filter(([name]) => !LEFT_OUT.has(name))
    .map(([name, value]) => ` ${name}=${toField(value)}`);
  const text = `${line.time.slice(11, -1)} ${isColored ? styleText(color, level, { validateStream: false }) : level}`;
  return `${text} ${harmless(line.msg ?? '')}${fields.join('')}\n`;
}

function toField(value: unknown): string {
  const text = typeof value === 'object' && value !== null ? describe(value) : String(value);
  return BARE.test(text) ? harmless(text) : harmless(JSON.stringify(text));
}

/** An error as its message; the stack is only in a log that goes to a file. */
function describe(value: object): string {
  if (!('message' in value)) return JSON.stringify(value);
  return 'type' in value ? `${String(value.type)}: ${String(value.message)}` : String(value.message);
}

/** Without the control characters that a terminal would obey. */
function harmless(text: string): string {
  return text.replace(CONTROL_CHARACTERS, (run) => Array.from(run, escaped).join(''));
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
