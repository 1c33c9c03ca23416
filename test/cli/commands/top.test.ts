import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { stripVTControlCharacters } from 'node:util';
import { status } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { WatchServerResponse } from '../../../src/wire/gen/orders/v1/orders.ts';
import { ServerState } from '../../../src/wire/gen/orders/v1/orders.ts';
import { fakeOrdersServer, fakeStatus } from '../../support/clients/fake-orders-server.ts';
import { SQLITE } from '../../support/engines/sqlite-engine.ts';
import { localOrderNumbers as orderNumbers } from '../../support/processes/local-command.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { ORDER_NUMBERS } from '../../support/processes/server-process.ts';
import { atTerminal, pretendedTerminal } from '../../support/processes/terminal.ts';

/** Moves the cursor up. */
const UP = '\u001B\\[\\d+A';
const FIRST: WatchServerResponse = {
  state: ServerState.SERVER_STATE_SERVING,
  reason: '',
  ledgerClosedSeconds: 0,
  lastOrderId: 9007199254740993n,
  waitingRequests: 0,
  activity: undefined,
  version: '1.2.3',
  engine: 'sqlite',
  startTime: { seconds: 1795486198n, nanos: 201_000_000 },
};
const ACTIVITY = {
  seconds: 1,
  allocationsPerSecond: 1234.5,
  replaysPerSecond: 2.25,
  refusalsPerSecond: 0,
  callP50Ms: 1.234,
  callP99Ms: 120.6,
  batchesPerSecond: 99.5,
  batchSize: 12.34,
  commitP50Ms: undefined,
  commitP99Ms: undefined,
};
const SECOND: WatchServerResponse = {
  ...FIRST,
  state: ServerState.SERVER_STATE_LEDGER_CLOSED,
  reason: 'disk full',
  ledgerClosedSeconds: 90.5,
  waitingRequests: 1234,
  activity: ACTIVITY,
};

describe('top', () => {
  it('ends at Ctrl-C with the exit code 0', async () => {
    const server = new LocalServer(await SQLITE.newLedger());
    const child = spawn(process.execPath, [ORDER_NUMBERS, 'top', '--server', await server.serving()], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    expect((await lines.next()).value).toMatch(/^TIME +STATE +LAST ID +NUMBERED\/S/);
    for (let step = 0; step < 2; step++) expect((await lines.next()).value).toMatch(/^[-\d]+ [:\d]+ +serving +0 /);
    child.kill('SIGINT');
    expect(await once(child, 'close')).toEqual([0, null]);
  });

  it('prints a line per step where there is no terminal', async () => {
    const { exitCode, stdout, stderr } = await run([], FIRST, SECOND);
    expect([exitCode, stderr]).toEqual([0, '']);
    const cells = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.slice(21).replaceAll(/ {2,}/g, ' | '));
    expect(cells.slice(1)).toEqual([
      'serving | 9007199254740993 | - | - | - | - | - | 0 | - | - | - | -',
      'ledger closed for 90 s: disk full | 9007199254740993 | 1,235 | 2.3 | 0 | 1.23 | 121 | 1234 | 99.5 | 12.3 | - | -',
    ]);
  });

  it('with --json prints WatchServerResponse, with null for what was not measured', async () => {
    const { stdout } = await run(['--json'], FIRST, SECOND);
    const common = { lastOrderId: '9007199254740993', version: '1.2.3', engine: 'sqlite' };
    const shared = { ...common, startTime: new Date(1795486198201).toISOString() };
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      {
        ...shared,
        state: 'SERVER_STATE_SERVING',
        reason: '',
        ledgerClosedSeconds: 0,
        waitingRequests: 0,
        activity: null,
      },
      {
        ...shared,
        state: 'SERVER_STATE_LEDGER_CLOSED',
        reason: 'disk full',
        ledgerClosedSeconds: 90.5,
        waitingRequests: 1234,
        activity: { ...ACTIVITY, commitP50Ms: null, commitP99Ms: null },
      },
    ]);
  });

  it('redraws its lines at a terminal, within its width, and shows there why a server is lost', async () => {
    const server = await fakeOrdersServer({ watchServer: interrupted(FIRST, SECOND) });
    const { said, exitCode } = await atTerminal(pretendedTerminal, ['top', '--server', server, '--count', '2']);
    expect(exitCode).toBe(0);
    // Each drawing but the first begins on the first line of the one before.
    const [first = '', lost = '', second = '', ...others] = said.split(new RegExp(UP));
    expect(others).toEqual([]);
    expect([...said.matchAll(new RegExp(UP.replace('\\d+', '(\\d+)'), 'g'))].map(([, lines]) => lines)).toEqual(
      [first, lost].map((drawn) => String(linesOf(drawn).length)),
    );
    expect(linesOf(first)).toContain('last id     9,007,199,254,740,993');
    expect(linesOf(lost).at(-1)).toBe('state       UNAVAILABLE: being replaced; retrying');
    expect(linesOf(second)).toEqual([
      expect.stringMatching(/^127.0.0.1:\d+ {3}sqlite {3}version 1\.2\.3 {3}since 2026-11-\d\d/),
      '',
      'state       ledger closed for 90 s: disk full',
      'last id     9,007,199,254,740,993',
      'numbered    1,235/s               replayed 2.3/s        refused 0/s',
      'calls       p50 1.23 ms           p99 121 ms',
      'waiting     1,234',
      'batches     99.5/s                requests each 12.3',
      'commits     p50 -                 p99 -',
    ]);
  });

  it.each([
    [[], ['ADDRESS: UNAVAILABLE: being replaced; retrying', 'connected to ADDRESS']],
    [
      ['--json'],
      [
        '{"interrupted":{"server":"ADDRESS","code":"UNAVAILABLE","message":"UNAVAILABLE: being replaced"}}',
        '{"connected":"ADDRESS"}',
      ],
    ],
  ])('tells once that the server is lost, and when it answers again: %j', async (flags, lines) => {
    const server = await fakeOrdersServer({ watchServer: interrupted(FIRST, undefined, SECOND) });
    const { exitCode, stderr } = await orderNumbers(['top', '--server', server, '--count', '2', ...flags]);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 0,
      stderr: lines.map((line) => `${line.replaceAll('ADDRESS', server)}\n`).join(''),
    });
  });

  it('says that a server without WatchServer is older', async () => {
    const server = await fakeOrdersServer({});
    expect(await orderNumbers(['top', '--server', server])).toEqual({
      exitCode: 1,
      stdout: '',
      stderr:
        'error: the server does not know WatchServer: it is older than this command; upgrade it, or read its metrics\n',
    });
  });
});

/** Each watch sends the next of these steps, if it is one, and is broken off. */
function interrupted(...steps: (WatchServerResponse | undefined)[]) {
  return async function* (): AsyncGenerator<WatchServerResponse> {
    const step = steps.shift();
    if (step) yield step;
    throw fakeStatus(status.UNAVAILABLE, 'being replaced');
  };
}

async function run(flags: readonly string[], ...steps: WatchServerResponse[]) {
  const server = await fakeOrdersServer({
    async *watchServer(_, signal) {
      yield* steps;
      await once(signal, 'abort');
    },
  });
  return orderNumbers(['top', '--server', server, '--count', String(steps.length), ...flags]);
}

/** What a terminal shows of one drawing. */
function linesOf(drawn: string): string[] {
  return stripVTControlCharacters(drawn)
    .replaceAll('\r', '')
    .trimEnd()
    .split('\n')
    .map((line) => line.trimEnd());
}
