import { existsSync, globSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = new URL('../..', import.meta.url).pathname;
const ENTRY = 'src/cli/order-numbers.js';
/** Where a browser begins; the server sends the files of this room without loading them. */
const PAGE_ENTRY = 'src/server/console/page/main.js';
const THREADS = 'src/engines/sqlite/threads';
/** What is promised, in six files; beside them the core has what every engine and every transport shares. */
const CORE = ['allocation', 'reasons', 'errors', 'ledger', 'batch-queue', 'allocator'].map(
  (name) => `src/core/${name}.ts`,
);
const MAX_LINES_CORE_FILE = 200;
const MAX_LINES_CORE = 600;
const MAX_LINES_FILE = 250;
/** A longer list no longer fits one look. */
const MAX_FILES_FOLDER = 14;
/** Words that say nothing about the contents of a file. */
const BANNED_NAMES = new Set(['utils', 'util', 'helpers', 'helper', 'manager', 'types', 'common', 'misc']);
/** Marks of unfinished work, written so that this file has none. */
const UNFINISHED = /\b(TO[D]O|FIX[M]E|XX[X]|HA[C]K)\b/;

/** The beginning of a comment, in either form; a line that continues one may begin with any word. */
const VAGUE_COMMENT = /(?:\/\*\*?[\s*]+|(?<!\/\/.*\n[ \t]*)\/\/\s*)(?:Of|By|To|Whose)\b.*/g;

/** What both transports and the metrics may import. */
const GROUND_FLOOR = ['address', 'calls', 'figures/', 'limits', 'log/', 'security/', 'tracing/trace-headers'].map(
  (name) => `src/server/${name}`,
);

/** What each room may import beside its own files: rooms, files, and npm packages. The first match counts. */
const ROOMS: readonly {
  readonly room: string;
  readonly files: readonly string[];
  readonly packages: readonly string[];
}[] = [
  { room: 'src/core/', files: [], packages: [] },
  { room: 'src/wire/', files: [], packages: ['@grpc/grpc-js', '@bufbuild/protobuf'] },
  { room: 'src/engines/sqlite/', files: ['src/core/', 'src/engines/engine.ts'], packages: ['better-sqlite3'] },
  { room: 'src/engines/postgres/', files: ['src/core/', 'src/engines/engine.ts'], packages: ['pg'] },
  {
    room: 'src/engines/dynamodb/',
    files: ['src/core/', 'src/engines/engine.ts'],
    packages: ['@aws-sdk/client-dynamodb'],
  },
  { room: 'src/engines/', files: ['src/core/'], packages: [] },
  {
    room: 'src/server/security/',
    files: ['src/core/', 'src/server/address.ts', 'src/server/limits.ts', 'src/server/log/'],
    packages: [],
  },
  // The methods, which know none of their carriers.
  { room: 'src/server/methods/', files: ['src/core/', 'src/wire/', ...GROUND_FLOOR], packages: [] },
  {
    room: 'src/server/grpc/',
    files: ['src/core/', 'src/wire/', 'src/server/methods/', ...GROUND_FLOOR],
    packages: ['@grpc/grpc-js', '@bufbuild/protobuf'],
  },
  // Runs in a browser.
  { room: 'src/server/console/page/', files: [], packages: [] },
  { room: 'src/server/console/', files: [], packages: [] },
  {
    room: 'src/server/http/connect/',
    files: ['src/core/', 'src/wire/', 'src/server/methods/', 'src/server/http/', ...GROUND_FLOOR],
    packages: ['@bufbuild/protobuf', '@connectrpc/connect', '@connectrpc/connect-fastify', '@grpc/grpc-js', 'fastify'],
  },
  {
    room: 'src/server/http/',
    files: ['src/core/', 'src/server/console/', 'src/server/methods/served-method.ts', ...GROUND_FLOOR],
    packages: ['@connectrpc/connect', '@fastify/cors', 'fastify'],
  },
  // The statuses of both transports, which spans have; only collector.ts loads the SDK, if there is one.
  {
    room: 'src/server/tracing/',
    files: ['src/core/', 'src/server/http/status.ts', 'src/server/methods/rpc-status.ts', ...GROUND_FLOOR],
    packages: [
      '@opentelemetry/api',
      '@opentelemetry/sdk-trace',
      '@opentelemetry/resources',
      '@opentelemetry/exporter-trace-otlp-proto',
    ],
  },
  {
    room: 'src/server/metrics/',
    files: ['src/core/', 'src/engines/engine.ts', ...GROUND_FLOOR],
    packages: ['@prometheus-io/client'],
  },
  {
    room: 'src/server/log/',
    files: ['src/core/text/plain-text.ts', 'src/server/log-level.ts', 'src/server/security/token-text.ts'],
    packages: ['pino'],
  },
  // Alone in starting one of the engines.
  {
    room: 'src/server/server.ts',
    files: ['src/core/', 'src/server/', 'src/engines/registry.ts', 'src/engines/location.ts'],
    packages: [],
  },
  { room: 'src/server/', files: ['src/core/', 'src/engines/location.ts'], packages: [] },
  { room: 'src/client/', files: ['src/core/', 'src/wire/'], packages: ['@grpc/grpc-js', '@bufbuild/protobuf'] },
  {
    room: 'src/cli/',
    files: ['src/'],
    packages: ['commander', 'cli-progress', 'cli-table3', 'csv-parse', 'csv-stringify'],
  },
];

/** One source file: its text, with and without comments, and what it imports. */
interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly code: string;
  readonly lines: number;
  /** Paths of files of this repository, as from its root. */
  readonly imports: readonly string[];
  readonly packages: readonly string[];
}

const SOURCES = globSync('src/**/*.{ts,js}', { cwd: ROOT })
  .filter((path) => !path.startsWith('src/wire/gen/'))
  .toSorted()
  .map(read);
const HAND_WRITTEN = globSync(
  ['{src,test,bench,tools,proto}/**/*.{ts,js,proto,sh,c,sql}', '*.{ts,json,yaml,md}', 'Makefile', '.ci/*'],
  { cwd: ROOT },
)
  .filter((path) => !/^src\/wire\/gen\/|(^|\/)node_modules\/|^package-lock\.json$/.test(path))
  .toSorted();

describe('imports', () => {
  it('the core knows no SQL and no gRPC, not even by name', () => {
    const words = /\b(select|insert into|begin immediate|sqlite|better-sqlite3|postgres(ql)?|plpgsql|grpc|http2?)\b/i;
    expect(
      SOURCES.filter(({ path, code }) => path.startsWith('src/core/') && words.test(code)).map(({ path }) => path),
    ).toEqual([]);
  });

  it('every file is in a room', () => {
    expect(SOURCES.filter(({ path }) => roomOf(path) === undefined).map(({ path }) => path)).toEqual([]);
  });

  it.each(SOURCES.map(({ path }) => path))('%s imports only what its room may', (path) => {
    const { imports, packages } = source(path);
    const room = roomOf(path);
    const allowed = [room?.room ?? '', ...(room?.files ?? [])];
    expect(imports.filter((imported) => !allowed.some((prefix) => imported.startsWith(prefix)))).toEqual([]);
    expect(packages.filter((name) => !room?.packages.includes(name))).toEqual([]);
  });

  it('only the command line knows both an engine and a transport', () => {
    const both = SOURCES.filter(
      ({ imports }) =>
        imports.some((path) => path.startsWith('src/engines/')) &&
        imports.some((path) => /^src\/(server\/(grpc|http)|client)\//.test(path)),
    );
    expect(both.every(({ path }) => path.startsWith('src/cli/'))).toBe(true);
  });

  it('there are no import cycles', () => {
    expect(SOURCES.map(({ path }) => cycleFrom(path)).filter((cycle) => cycle !== undefined)).toEqual([]);
  });

  it('every npm package in use is a dependency, and every dependency is in use', () => {
    const manifest = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as {
      dependencies: Record<string, string>;
      /** Only a server on DynamoDB loads them. */
      optionalDependencies: Record<string, string>;
      /** All of them are optional: a server without --otlp does without. */
      peerDependencies: Record<string, string>;
    };
    const generated = globSync('src/wire/gen/**/*.ts', { cwd: ROOT }).map(read);
    const used = new Set([...SOURCES, ...generated].flatMap(({ packages }) => packages));
    // @connectrpc/connect-fastify imports it as a peer, which not every package manager installs by itself.
    used.add('@connectrpc/connect-node');
    const { dependencies, optionalDependencies, peerDependencies } = manifest;
    expect([...used].toSorted()).toEqual(
      Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }).toSorted(),
    );
  });
});

describe('files', () => {
  it(`the core is small: ${MAX_LINES_CORE_FILE} lines a file and ${MAX_LINES_CORE} in all, at most`, () => {
    const lengths = CORE.map((path) => [path, source(path).lines] as const);
    expect(lengths.filter(([, lines]) => lines > MAX_LINES_CORE_FILE)).toEqual([]);
    expect(lengths.reduce((sum, [, lines]) => sum + lines, 0)).toBeLessThanOrEqual(MAX_LINES_CORE);
  });

  it(`no source file has more than ${MAX_LINES_FILE} lines`, () => {
    const long = SOURCES.filter(({ lines }) => lines > MAX_LINES_FILE);
    expect(long.map(({ path, lines }) => `${path}: ${lines}`)).toEqual([]);
  });

  it(`no folder has more than ${MAX_FILES_FOLDER} source files`, () => {
    const folders = Map.groupBy(SOURCES, ({ path }) => dirname(path));
    const full = [...folders].filter(([, files]) => files.length > MAX_FILES_FOLDER);
    expect(full.map(([folder, files]) => `${folder}: ${files.length}`)).toEqual([]);
  });

  it('no file has a meaningless name', () => {
    expect(HAND_WRITTEN.filter((path) => wordsOf(path).some((word) => BANNED_NAMES.has(word)))).toEqual([]);
  });

  it('every source file is reachable from the entry', () => {
    const reached = new Set<string>();
    const waiting = [ENTRY, PAGE_ENTRY];
    for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
      if (reached.has(path) || path.startsWith('src/wire/gen/')) continue;
      reached.add(path);
      waiting.push(...source(path).imports);
    }
    // The types of packages are for the compiler only.
    const sources = SOURCES.map(({ path }) => path).filter((path) => !path.endsWith('.d.ts'));
    expect(sources.filter((path) => !reached.has(path))).toEqual([]);
  });

  it('every imported file exists', () => {
    const missing = SOURCES.flatMap(({ path, imports }) => imports.map((imported) => ({ path, imported })));
    expect(missing.filter(({ imported }) => !existsSync(`${ROOT}${imported}`))).toEqual([]);
  });

  it('no marker of unfinished work is left', () => {
    expect(HAND_WRITTEN.filter((path) => UNFINISHED.test(readFileSync(`${ROOT}${path}`, 'utf8')))).toEqual([]);
  });
});

describe('code', () => {
  it('reads the environment in one place, because settings have one schema', () => {
    expect(
      offenders(/\bprocess\s*\??\.\s*env\b|\bprocess\s*\[|import\s*\{[^}]*\benv\b[^}]*\}\s*from\s*'node:process'/),
    ).toEqual(['src/cli/run/environment.ts']);
  });

  it('writes to no console except in the entry, which has no log yet', () => {
    expect(offenders(/\bconsole\s*\./)).toEqual([ENTRY]);
    expect([...source(ENTRY).code.matchAll(/\bconsole\s*\.\s*(\w+)/g)].map((match) => match[1])).toEqual(['error']);
  });

  it('has only types that Node.js can strip: no enum, namespace, parameter property or decorator', () => {
    expect(
      offenders(
        /^\s*(export\s+)?(declare\s+)?(const\s+)?enum\s+\w|^\s*(export\s+)?(declare\s+)?(namespace|module)\s+[\w.]+\s*\{|constructor\s*\([^)]*\b(private|protected|public|readonly)\s+\w+\s*\??:|^\s*@\w+(\(|\s*$)|\bimport\s+\w+\s*=/m,
      ),
    ).toEqual([]);
  });

  it('switches no check off', () => {
    const switches = /@ts-(ignore|nocheck)|(oxlint|eslint)-(disable)/;
    expect(HAND_WRITTEN.filter((path) => switches.test(readFileSync(`${ROOT}${path}`, 'utf8')))).toEqual([]);
    expect(offenders(/:\s*any\b|\bas\s+any\b|<any>/)).toEqual([]);
  });

  it('has no comment that begins with Of, By, To or Whose: it names its thing first', () => {
    const vague = SOURCES.flatMap(({ path, text }) =>
      [...text.matchAll(VAGUE_COMMENT)].map(([start]) => ({ path, start })),
    );
    expect(vague).toEqual([]);
  });

  it('has tests that all run', () => {
    const quiet = /\b(it|test|describe)\s*\.\s*(skip|only|todo|fails)\b/;
    const tests = HAND_WRITTEN.filter((path) => path.endsWith('.test.ts'));
    expect(tests.filter((path) => quiet.test(read(path).code))).toEqual([]);
  });
});

function read(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const code = withoutComments(text);
  const specifiers = [...code.matchAll(/(?:\bfrom\s+|^import\s+|\bimport\()\s*'([^']+)'/gm)].map((match) => match[1]!);
  const files = specifiers.filter((specifier) => specifier.startsWith('.'));
  const others = specifiers.filter((specifier) => !specifier.startsWith('.') && !specifier.startsWith('node:'));
  const urls = [...code.matchAll(/new URL\(['`](\.\/?[^'`$]+\.[tj]s)['`]/g)].map((match) => match[1]!);
  return {
    path,
    text,
    code,
    lines: text.split('\n').length - 1,
    imports: [
      ...[...files, ...urls].map((specifier) => relative(ROOT, join(ROOT, dirname(path), specifier))),
      ...startedBy(code),
    ],
    packages: [...new Set(others.map(packageOf))],
  };
}

/** The files started by name as a thread or process of their own. */
function startedBy(code: string): string[] {
  const threads = [...code.matchAll(/\bthreadModule\('([\w-]+)'/g)].map(([, name]) => `${THREADS}/${name}.ts`);
  const programs = [...code.matchAll(/\bnew URL\(`\.\/([\w-]+)\$\{extname/g)].map(([, name]) => `${name}.ts`);
  return [...threads, ...programs.flatMap((name) => globSync(`src/**/${name}`, { cwd: ROOT }))];
}

function source(path: string): SourceFile {
  const found = SOURCES.find((file) => file.path === path);
  if (!found) throw new Error(`${path} is not among the sources`);
  return found;
}

function roomOf(path: string) {
  return ROOMS.find(({ room }) => path.startsWith(room));
}

/** The sources whose code, apart from comments, matches. */
function offenders(pattern: RegExp): string[] {
  return SOURCES.filter(({ code }) => pattern.test(code)).map(({ path }) => path);
}

/** The import path from a file back to itself, if there is one; imports of types alone count. */
function cycleFrom(start: string): string[] | undefined {
  const seen = new Set<string>();
  const ways = [[start]];
  for (let way = ways.pop(); way !== undefined; way = ways.pop()) {
    const last = way.at(-1)!;
    for (const next of SOURCES.find(({ path }) => path === last)?.imports ?? []) {
      if (next === start) return [...way, next];
      if (!seen.has(next)) ways.push([...way, next]);
      seen.add(next);
    }
  }
  return undefined;
}

/** Good enough for this code: strings that hold the marks of a comment are kept whole. */
function withoutComments(text: string): string {
  return text.replace(
    /('(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)|\/\/.*$|\/\*[\s\S]*?\*\//gm,
    (_, string: string | undefined) => string ?? '',
  );
}

/** The words in the name of a file. */
function wordsOf(path: string): string[] {
  return basename(path)
    .toLowerCase()
    .split(/[.\-_]/);
}

/** `@scope/name` of `@scope/name/inner`. */
function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}
