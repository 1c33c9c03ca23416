import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ENGINES } from '../../support/engines/engines.ts';
import { fillLedger, fills } from '../../support/ledgers/filled-ledger.ts';
import { localOrderNumbers as orderNumbers } from '../../support/processes/local-command.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';

const WARN = 40;

describe('a new ledger', () => {
  it.each(ENGINES)(
    'is logged at level warn with its location, an existing one at level info: $name',
    async (engine) => {
      const ledger = await engine.absentLedger();
      const first = new LocalServer(ledger);
      await first.serving();
      const created = first.log.find(({ msg }) => msg.startsWith('created a new ledger'));
      expect(created).toMatchObject({
        level: WARN,
        ledger,
        msg: expect.stringContaining('it numbers from order_id 1'),
      });
      expect(created!.msg).toContain(ledger);
      expect(await first.stop()).toBe(0);
      const again = new LocalServer(ledger, {
        args: ['--create=false', '--expect-ledger-id', String(created!['ledger_id'])],
      });
      await again.serving();
      const { ledger_id: ledgerId } = created!;
      expect(await again.line('the ledger is open')).toMatchObject({
        level: 30,
        ledger,
        ledger_id: ledgerId,
        last_order_id: '0',
      });
    },
  );

  it.each(ENGINES)('is not created with --create=false: $name', async (engine) => {
    const server = new LocalServer(await engine.absentLedger(), { args: ['--create=false'] });
    expect(await server.exit()).toBe(1);
    expect(server.log.at(-1)).toMatchObject({
      level: 60,
      msg: expect.stringMatching(/no ledger exists in .*, and --create is false; check that --ledger/),
    });
  });

  it('is logged with its absolute path if the given one is relative', async () => {
    const folder = testFolder();
    const server = new ServerProcess('../orders.db', { cwd: folder, env: { ORDERS_CREATE: 'false' } });
    expect(await server.exit()).toBe(1);
    expect(server.said()).toContain(`no ledger exists in ${join(dirname(folder), 'orders.db')}`);
  });

  it('in the default folder creates that folder and nothing else', async () => {
    const cwd = testFolder();
    const refused = new ServerProcess('data/orders.db', { cwd, args: ['--create=false'] });
    expect(await refused.exit()).toBe(1);
    expect(readdirSync(cwd)).toEqual([]);
    const server = new ServerProcess('data/orders.db', { cwd });
    expect(await server.line('serving')).toMatchObject({ ledger: join(cwd, 'data/orders.db') });
    expect(await server.stop()).toBe(0);
    expect(readdirSync(cwd)).toEqual(['data']);
    expect(readdirSync(join(cwd, 'data')).toSorted()).toEqual(['orders.db', 'orders.db.lock', 'orders.db.mark']);
  });
});

describe('a missing folder', () => {
  it('is not created by serve, import or restore, which name the command to create it', async () => {
    const folder = testFolder();
    const missing = join(folder, "not mounted's");
    const ledger = join(missing, 'orders.db');
    const { database: backup } = fillLedger(join(testFolder(), 'backup.db'), ...fills(3));
    const csv = ['--csv', 'stores.csv', '--next-order-id', '5'];
    const all = await Promise.all([
      orderNumbers(['serve', '--ledger', ledger]),
      orderNumbers(['import', ...csv, '--ledger', ledger, '--yes']),
      orderNumbers(['restore', '--from', backup, '--ledger', ledger]),
      orderNumbers(['serve', '--ledger', 'nowhere/orders.db'], { cwd: folder }),
    ]);
    for (const { exitCode, stdout, stderr } of all)
      expect([exitCode, stdout, stderr.split('\n').length]).toEqual([2, '', 2]);
    for (const { stderr } of all.slice(0, 3)) {
      expect(stderr).toContain(`the folder ${missing} of the ledger does not exist`);
      expect(stderr).toContain(`mkdir -p '${folder}/not mounted'\\''s'`);
    }
    expect(all[3]!.stderr).toContain(`mkdir -p ${folder}/nowhere`);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is not left behind by a refused restore if it is the default one', async () => {
    const cwd = testFolder();
    const { database: backup } = fillLedger(join(testFolder(), 'backup.db'), ...fills(3));
    const args = ['restore', '--from', backup];
    expect(await orderNumbers(args, { cwd })).toMatchObject({ exitCode: 1, stdout: '' });
    expect(readdirSync(cwd)).toEqual([]);
    expect(await orderNumbers([...args, '--nothing-numbered-since'], { cwd })).toMatchObject({ exitCode: 0 });
    expect(readdirSync(cwd)).toEqual(['data']);
  });
});

it('a mistyped variable causes a warning with the nearest name, without its value', async () => {
  const env = { ORDERS_LEDGR: 'postgres://orders:s3cret@db1/orders', ORDERS_PORT: 'tcp://10.0.0.1:50051' };
  const server = new ServerProcess(join(testFolder(), 'orders.db'), { env });
  await server.serving();
  expect(server.log.filter(({ msg }) => msg.includes('variable'))).toEqual([
    expect.objectContaining({
      level: WARN,
      msg: 'the variable ORDERS_LEDGR is not a setting: did you mean ORDERS_LEDGER?',
    }),
  ]);
  expect(server.said()).not.toContain('s3cret');
});
