import { Command, InvalidArgumentError, Option } from 'commander';
import type { Verb } from '../../../server/security/principal.ts';
import { VERBS } from '../../../server/security/principal.ts';
import type { TokenEntry } from '../../../server/security/token-file.ts';
import { endOfDay, parseDay, parseName, parseSan, parseStore, parseVerb } from '../../../server/security/token-file.ts';
import { hashOfToken, newToken } from '../../../server/security/token-text.ts';
import { SERVE_SETTINGS } from '../../../server/settings.ts';
import { mistypedVariables } from '../../run/mistyped-variables.ts';
import { PLAIN_JSON, withOperatorOutput } from '../../run/operator-command.ts';
import type { OutputFlags } from '../../view/output-option.ts';
import { CSV_ROWS, withOutput } from '../../view/output-option.ts';
import { asOptionParser } from '../../run/option-values.ts';
import type { CommandContext } from '../../run/run-command.ts';
import { runCommand } from '../../run/run-command.ts';
import { changeTokens, readTokens } from '../../token/change-tokens.ts';
import { table } from '../../view/columns.ts';
import { jsonLine } from '../../view/json-form.ts';
import { shellWord } from '../../view/shell-word.ts';
import { csvForm } from '../../view/rows.ts';
import { describeRights, TOKEN_FIELDS, tokenJson, tokenRow, TOKEN_TITLES } from '../../view/token-view.ts';

interface TokenFlags extends OutputFlags {
  /** The path of the token file. */
  readonly tokens: string;
}

interface CreateFlags extends TokenFlags, Pick<TokenEntry, 'name' | 'san' | 'stores' | 'verbs' | 'expires'> {}

interface RevokeFlags extends TokenFlags {
  readonly name: string;
}

/** `order-numbers token …`: what `serve --tokens` reads. */
export function tokenCommand(): Command {
  const token = new Command('token');
  for (const command of [createCommand(), listCommand(), revokeCommand()]) token.addCommand(command);
  return token;
}

/** What each verb allows. */
const VERB_HELP: Readonly<Record<Verb, string>> = {
  allocate: 'number orders',
  read: 'look up, list and watch orders, show stores',
  manage: 'create and change stores',
  verify: 'verify the ledger',
  metrics: 'read the metrics of a server with --metrics-secure',
};

const CREATE_TEXT = `
The token is printed once, alone on standard output: the file stores only its
SHA-256. A server that uses the file accepts the token within a second, without
a restart. With --san no token is created: a client certificate with that name
gets the rights instead. The file is created if it does not exist.

Verbs:
${VERBS.map((verb) => `  ${verb.padEnd(10)}${VERB_HELP[verb]}`).join('\n')}

Examples:
  order-numbers token create --tokens tokens.json --name checkout-eu --stores 7,8 --verbs allocate,read --expires 2027-06-30 > checkout.token
  order-numbers token create --tokens tokens.json --name audit --stores all --verbs read,verify
  order-numbers token create --tokens tokens.json --name checkout-us --san URI:spiffe://shop/checkout --stores 9 --verbs allocate`;

function createCommand(): Command {
  return withOperatorOutput(
    new Command('create')
      .description('create a token, or give rights to a client certificate')
      .addOption(tokensOption())
      .addOption(required('--name <name>', 'its name, recorded as the caller of each order; never reused', parsedName))
      .addOption(
        required('--stores <ids|all>', 'the stores that it may use', (text) =>
          text.trim() === 'all' ? 'all' : parsedList(text, parseStore, 'Use all, or store ids such as 7,8.'),
        ),
      )
      .addOption(
        required('--verbs <verbs>', `what it may do: ${VERBS.join(',')}`, (text) =>
          parsedList(text, parseVerb, `Use one or more of ${VERBS.join(',')}, separated by commas.`),
        ),
      )
      .addOption(
        new Option('--expires <date>', 'the last day on which it works, in UTC: YYYY-MM-DD').argParser(parsedExpiry),
      )
      .addOption(
        new Option('--san <name>', "a name in the client's certificate: URI:… or DNS:…").argParser((text) =>
          parsed(
            text,
            parseSan,
            'Use a name in the certificate, such as URI:spiffe://shop/checkout or DNS:shop.example.',
          ),
        ),
      )
      .addHelpText('after', CREATE_TEXT),
  ).action((flags: CreateFlags) => run(flags, (context) => create(flags, context)));
}

async function create({ tokens: path, ...flags }: CreateFlags, { output, json, say }: CommandContext): Promise<void> {
  const { name, san, stores, verbs, expires } = flags;
  const token = san === undefined ? newToken() : undefined;
  const credential = token === undefined ? { san: san! } : { sha256: hashOfToken(token) };
  const entry: TokenEntry = { name, ...credential, stores, verbs, ...(expires !== undefined && { expires }) };
  const warning = await changeTokens(path, true, (entries) => {
    requireFree(entries, entry);
    return [...entries, entry];
  });
  try {
    if (json) await output.line(jsonLine({ ...tokenJson(entry), token }));
    else if (token !== undefined) await output.line(token);
    await output.flush();
  } catch (error) {
    // An entry whose token was never seen would stay in the file forever.
    await changeTokens(path, false, (entries) => entries.filter((one) => one.name !== name));
    throw error;
  }
  if (warning !== undefined) say(`warning: ${warning}`);
  if (json) return;
  say(`${name} ${describeRights(entry)}`);
  if (token !== undefined) say('keep the token secret: it is not shown again');
}

function requireFree(entries: readonly TokenEntry[], { name, san }: TokenEntry): void {
  const same = entries.find((entry) => entry.name === name);
  if (same) {
    const revoked = same.revoked === undefined ? '' : ` (revoked at ${same.revoked})`;
    throw new Error(
      `the name ${name} is taken${revoked}, and names are never reused, because the ledger records them; ` +
        `choose another one, such as ${freeNameLike(name, entries)}`,
    );
  }
  const holder = san && entries.find((entry) => entry.san === san && entry.revoked === undefined);
  if (holder) throw new Error(`${san} already belongs to ${holder.name}: revoke ${holder.name} first`);
}

/** A free name that ends with a number: operator-2 for operator, operator-3 for operator-2. */
function freeNameLike(name: string, entries: readonly TokenEntry[]): string {
  const taken = new Set(entries.map((entry) => entry.name));
  const stem = name.replace(/-\d+$/, '').slice(0, 60);
  for (let n = 2; ; n++) if (!taken.has(`${stem}-${n}`)) return `${stem}-${n}`;
}

function listCommand(): Command {
  return withOutput(
    new Command('list')
      .description('show the names, rights and states of all entries, but no hashes')
      .addOption(tokensOption())
      .addHelpText('after', '\nExample:\n  order-numbers token list --tokens tokens.json'),
    { json: PLAIN_JSON, csv: CSV_ROWS },
  ).action((flags: TokenFlags) =>
    run(flags, async ({ output, json, say }) => {
      const { entries, warning } = await readTokens(flags.tokens);
      if (warning !== undefined) say(`warning: ${warning}`);
      if (!json && !flags.csv) return output.line(table([TOKEN_TITLES, ...entries.map(tokenRow)]));
      const form = flags.csv ? await csvForm(TOKEN_FIELDS, tokenJson) : undefined;
      for (const line of form?.header() ?? []) await output.line(line);
      for (const entry of entries) {
        for (const line of form?.row(entry) ?? [jsonLine(tokenJson(entry))]) await output.line(line);
      }
    }),
  );
}

const REVOKE_TEXT = `
A server that uses the file refuses the token within a second, and ends its
watches and verifications. The entry stays in the file, so that its name is
never reused.

Example:
  order-numbers token revoke --tokens tokens.json --name checkout-eu`;

function revokeCommand(): Command {
  return withOperatorOutput(
    new Command('revoke')
      .description('revoke a token, or the rights of a client certificate')
      .addOption(tokensOption())
      .addOption(required('--name <name>', 'the name of its entry', parsedName))
      .addHelpText('after', REVOKE_TEXT),
  ).action((flags: RevokeFlags) => run(flags, (context) => revoke(flags, context)));
}

async function revoke({ tokens: path, name }: RevokeFlags, { output, json, say }: CommandContext): Promise<void> {
  let before: TokenEntry | undefined;
  const revoked = new Date().toISOString();
  const warning = await changeTokens(path, false, (entries) => {
    before = entries.find((entry) => entry.name === name);
    if (!before)
      throw new Error(`${path} has no entry named ${name}: see order-numbers token list --tokens ${shellWord(path)}`);
    return before.revoked === undefined
      ? entries.map((entry) => (entry === before ? { ...entry, revoked } : entry))
      : undefined;
  });
  if (warning !== undefined) say(`warning: ${warning}`);
  const entry = { ...before!, revoked: before!.revoked ?? revoked };
  if (json) await output.line(jsonLine(tokenJson(entry)));
  else if (before!.revoked === undefined) say(`${name} is revoked`);
  else say(`${name} was already revoked at ${entry.revoked}; nothing was changed`);
}

/** Runs one command, after warnings about mistyped environment variables. */
function run(flags: TokenFlags, work: (context: CommandContext) => Promise<void>): Promise<void> {
  const start = async (context: CommandContext) => {
    for (const warning of mistypedVariables()) context.say(`warning: ${warning}`);
    await work(context);
  };
  // A token that nothing reads is lost.
  return runCommand(flags.json ?? false, start, { needsReader: true });
}

function tokensOption(): Option {
  const { variable, parse } = SERVE_SETTINGS.tokens;
  return required('--tokens <file>', 'the token file', (text) => {
    const path = parse(text);
    if (path === 'off') throw new Error('Use the path of a token file, such as tokens.json.');
    return path;
  }).env(variable);
}

function required(flag: string, help: string, parse: (text: string) => unknown): Option {
  return new Option(flag, `${help} (required)`).argParser(asOptionParser(parse)).makeOptionMandatory();
}

function parsedName(text: string): string {
  return parsed(text, parseName, 'Use 1 to 64 characters of A-Z, a-z, 0-9, ".", "_" and "-".');
}

function parsedExpiry(text: string): string {
  const remedy = 'Use today or a later day, as YYYY-MM-DD.';
  const day = parsed(text, parseDay, remedy);
  if (endOfDay(day) > Date.now()) return day;
  throw new InvalidArgumentError(`That day is in the past. ${remedy}`);
}

/** Values separated by commas, without duplicates. */
function parsedList<Value>(text: string, parse: (item: string) => Value, remedy: string): ReadonlySet<Value> {
  return new Set(text.split(',').map((item) => parsed(item, parse, remedy)));
}

function parsed<Value>(text: string, parse: (text: string) => Value, remedy: string): Value {
  try {
    return parse(text.trim());
  } catch {
    throw new InvalidArgumentError(remedy);
  }
}
