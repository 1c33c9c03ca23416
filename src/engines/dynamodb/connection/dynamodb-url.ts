/** The place of a DynamoDB ledger, as the URL after --ledger names it. */
export interface DynamodbUrl {
  readonly table: string;
  /** Undefined means the region of the environment or the profile, as the AWS SDK finds it. */
  readonly region: string | undefined;
  /** Undefined means the endpoint of AWS in the region. */
  readonly endpoint: string | undefined;
  /** What may be logged: the URL has no secrets. */
  readonly name: string;
}

const REMEDY = 'Use dynamodb://TABLE?region=eu-central-1';
const NAMES = 'a table has 3 to 255 letters, digits, underscores, dots and hyphens, and nothing else';

/**
 * The names that a table may have:
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
 */
const TABLE = /^[A-Za-z0-9_.-]{3,255}$/;
/** Such as us-gov-west-1, and eusc-de-east-1 of the European Sovereign Cloud. */
const REGION = /^[a-z]{2,}(-[a-z]+)+-\d$/;
const PARAMETERS = new Set(['region', 'endpoint']);

/** Whether this is meant as the URL of a DynamoDB table, and not as a path. */
export function isDynamodbUrl(text: string): boolean {
  return /^dynamodb:\/\//i.test(text);
}

/** Throws an Error whose message says what a valid URL is. Credentials are never part of it. */
export function parseDynamodbUrl(text: string): DynamodbUrl {
  const [, table = '', query = ''] = /^dynamodb:\/\/([^/?#@]*)(?:\?([^#]*))?$/i.exec(text) ?? [];
  if (!TABLE.test(table)) throw new Error(`${REMEDY}: ${NAMES}.`);
  const parameters = new URLSearchParams(query);
  for (const name of parameters.keys()) {
    if (!PARAMETERS.has(name)) throw new Error(`Unknown parameter ${name}; allowed: ${[...PARAMETERS].join(', ')}.`);
    if (parameters.getAll(name).length > 1) throw new Error(`The parameter ${name} is there twice; leave one out.`);
  }
  const region = parameters.get('region') ?? undefined;
  if (region !== undefined && !REGION.test(region)) throw new Error(`${REMEDY}: ${region} is not a region.`);
  const endpoint = parameters.get('endpoint') ?? undefined;
  if (endpoint !== undefined && !isHttpUrl(endpoint)) {
    // Not shown, because it may have a password.
    throw new Error(
      `${REMEDY}&endpoint=http://127.0.0.1:8000: an endpoint is an http or https URL without a password.`,
    );
  }
  return { table, region, endpoint, name: text };
}

/** The name of a table alone. Throws an Error whose message says what a valid one is. */
export function parseTableName(text: string): string {
  if (TABLE.test(text)) return text;
  throw new Error(`Use a name such as orders: ${NAMES}.`);
}

function isHttpUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return /^https?:$/.test(protocol) && username === '' && password === '';
}
