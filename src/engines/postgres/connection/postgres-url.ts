/** The place of a PostgreSQL ledger, as the URL after --ledger names it. */
export interface PostgresUrl {
  /** A URL for each host, in the order to try them. With secrets. */
  readonly hosts: readonly [string, ...string[]];
  /** What may be logged: no password, no parameters. */
  readonly name: string;
}

const URL_PARTS = /^(postgres(?:ql)?):\/\/(?:([^@/?#]*)@)?([^@/?#]*)(\/[^@/?#]+)(\?[^#]*)?$/i;
const REMEDY = 'Use postgres://user@host:5432/database, with commas between several hosts.';

/** The parameters that a URL may have. A mistyped sslmode would mean no TLS. */
const PARAMETERS = new Set([
  'channel_binding',
  'host',
  'options',
  'sslcert',
  'sslkey',
  'sslmode',
  'sslnegotiation',
  'sslrootcert',
  'target_session_attrs',
  'uselibpqcompat',
]);

/** The allowed values of parameters whose typos pg would ignore. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  channel_binding: ['disable', 'prefer', 'require'],
  sslmode: ['disable', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'],
};

/** Whether this is meant as the URL of a PostgreSQL database, and not as a path. */
export function isPostgresUrl(text: string): boolean {
  return /^postgres(ql)?:\/\//i.test(text);
}

/**
 * Reads a URL as libpq does (https://www.postgresql.org/docs/current/libpq-connect.html, "Connection URIs"), several
 * hosts included. Throws an Error whose message says what a valid one is.
 */
export function parsePostgresUrl(text: string): PostgresUrl {
  const [, scheme, user, hosts, database, parameters = ''] = URL_PARTS.exec(text) ?? [];
  if (hosts === undefined || database === undefined) throw new Error(REMEDY);
  for (const [parameter, value] of new URLSearchParams(parameters)) {
    if (!PARAMETERS.has(parameter)) {
      throw new Error(`Unknown parameter ${parameter}; allowed: ${[...PARAMETERS].join(', ')}.`);
    }
    const values = VALUES[parameter];
    if (values?.includes(value) === false)
      throw new Error(`Invalid ${parameter} ${value}; allowed: ${values.join(', ')}.`);
  }
  const userPart = user === undefined ? '' : `${user}@`;
  const [first = '', ...others] = hosts.split(',');
  const urlOf = (host: string) => {
    const url = `${scheme}://${userPart}${host}${database}${parameters}`;
    // The folder of a socket is a parameter, and replaces the host.
    const isUrl = URL.canParse(url) && (host === '') === /[?&]host=/.test(parameters);
    if (!isUrl) throw new Error(REMEDY);
    return url;
  };
  const name = `${scheme}://${user === undefined ? '' : `${user.split(':')[0]}@`}${hosts}${database}`;
  return { hosts: [urlOf(first), ...others.map(urlOf)], name };
}
