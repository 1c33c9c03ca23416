import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { assertDense } from '../support/ledgers/density.ts';
import { AUTHORITY, SIGNED } from '../support/network/certificates.ts';
import { reusableAddress } from '../support/network/reusable-port.ts';
import { localOrderNumbers } from '../support/processes/local-command.ts';
import { ServerProcess, testFolder } from '../support/processes/server-process.ts';
import { requireTools } from '../support/required-tool.ts';
import { entryOf, tokenOf, writeTokens } from '../support/security/tokens.ts';
import type { Example } from './example-project.ts';
import { build, ExampleProgram } from './example-project.ts';

const ORDERS = 10_000;
/** The server is killed after so many orders … */
const KILLS_AFTER = [2_000, 4_500, 7_000];
/** … and the program that watches after so many. */
const WATCHER_KILLED_AFTER = 3_000;
/** The first build downloads what the example needs. */
const BUILD_MS = 900_000;
const RUN_MS = 300_000;

/** What every example must do, in whatever language it is. */
export function numberedOnceSuite(example: Example): void {
  const { language, tools } = example;

  describe(`examples/${language}`, { timeout: RUN_MS }, () => {
    it('is built as its README says', { timeout: BUILD_MS }, async (test) => {
      requireTools(test, ...tools);
      const ran = await build(example);
      expect(ran.filter(({ exitCode }) => exitCode !== 0)).toEqual([]);
    });

    it('P1 P2 P4 P5: each of 10,000 orders is numbered once through three kill -9, and a watch sees each', async (test) => {
      requireTools(test, ...tools);
      const folder = testFolder();
      const ledger = join(folder, 'orders.db');
      const [grpc, http] = [await reusableAddress(), await reusableAddress()];
      const serve = async () => {
        const server = new ServerProcess(ledger, { args: ['--grpc-listen', grpc, '--http-listen', http] });
        await server.serving();
        return server;
      };
      const env = { ORDERS_SERVER: grpc, ORDERS_URL: `http://${http}` };
      const cursor = join(folder, 'cursor.txt');

      let server = await serve();
      const allocating = new ExampleProgram(example, 'allocate', String(ORDERS), env);
      const watches = [new ExampleProgram(example, 'watch', cursor, env)];
      const watched = watchThroughKill(watches, example, cursor, env);
      for (const count of KILLS_AFTER) {
        await Promise.race([allocating.until(() => allocating.lines.length >= count), watched]);
        await server.kill();
        server = await serve();
      }
      expect({ exitCode: await allocating.exit(), said: await allocating.stderr }).toMatchObject({ exitCode: 0 });
      await watched;
      const verified = await localOrderNumbers(['verify', '--server', grpc]);
      expect(verified.stdout).toMatch(/no gaps, no duplicates/);
      expect(await server.stop()).toBe(0);

      const rows = assertDense(ledger).map((row) => `${row.request_id} ${row.order_id} ${row.order_number}`);
      expect(keysOf(rows).toSorted()).toEqual(orderKeys(language, ORDERS).toSorted());
      expect(allocating.lines.toSorted()).toEqual(rows.toSorted());
      const [before, after] = watches.map(({ lines }) => lines);
      const resumedAt = rows.indexOf(after![0]!);
      expect(before).toEqual(rows.slice(0, before!.length));
      expect(after).toEqual(rows.slice(resumedAt, resumedAt + after!.length));
      expect(resumedAt).toBeGreaterThan(0);
      expect(resumedAt).toBeLessThanOrEqual(before!.length);
      expect(after!.at(-1)).toBe(rows.at(-1));
    });

    it('sends its token over TLS, waits where the queue is full, and ends at a definite refusal', async (test) => {
      requireTools(test, ...tools);
      const folder = testFolder();
      const [tokens, token] = [join(folder, 'tokens.json'), tokenOf('examples')];
      writeTokens(tokens, entryOf(token));
      const server = new ServerProcess(join(folder, 'orders.db'), {
        http: true,
        args: ['--tls-cert', SIGNED.certFile, '--tls-key', SIGNED.keyFile, '--tokens', tokens, '--max-queue', '2'],
      });
      const { grpc, http } = await server.line('serving');
      const env = {
        ORDERS_SERVER: String(grpc),
        ORDERS_URL: `https://${http}`,
        ORDERS_CLIENT_TLS_CA: AUTHORITY.certFile,
      };

      const refused = new ExampleProgram(example, 'allocate', '1', env);
      expect(await refused.exit()).toBe(1);
      expect(refused.lines).toEqual([]);
      expect(await refused.stderr).toContain('TOKEN_INVALID');

      const allocating = new ExampleProgram(example, 'allocate', '40', { ...env, ORDERS_TOKEN: token });
      expect({ exitCode: await allocating.exit(), said: await allocating.stderr }).toMatchObject({ exitCode: 0 });
      expect(keysOf(allocating.lines).toSorted()).toEqual(orderKeys(language, 40).toSorted());
      expect(await server.stop()).toBe(0);
      expect(assertDense(join(folder, 'orders.db'))).toHaveLength(40);
    });
  });
}

/** Kills the first watch in the middle and starts another from its cursor, which resolves when it has seen the last order. */
async function watchThroughKill(
  watches: ExampleProgram[],
  example: Example,
  cursor: string,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const [first] = watches;
  const hasCursor = () => existsSync(cursor) && Number(readFileSync(cursor, 'utf8')) > 0;
  await first!.until(() => first!.lines.length >= WATCHER_KILLED_AFTER && hasCursor());
  await first!.kill();
  const second = new ExampleProgram(example, 'watch', cursor, env);
  watches.push(second);
  await second.until(() => second.lines.some((line) => line.split(' ')[1] === String(ORDERS)));
}

function orderKeys(language: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${language}-${i + 1}`);
}

function keysOf(lines: readonly string[]): string[] {
  return lines.map((line) => line.split(' ')[0]!);
}
