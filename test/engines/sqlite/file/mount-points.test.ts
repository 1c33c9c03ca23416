import { expect, it } from 'vitest';
import { filesOf } from '../../../../src/engines/sqlite/file/ledger-files.ts';
import { requireNoMountPoint } from '../../../../src/engines/sqlite/file/mount-points.ts';
import { LedgerRefused } from '../../../../src/core/errors.ts';

const ROOT = '22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw';

/** A line as the kernel writes it; `at` has its escapes. */
function mountinfo(...places: string[]): string {
  return [
    ROOT,
    ...places.map((at, i) => `${30 + i} 22 254:0 /host/orders.db ${at} rw shared:1 - ext4 /dev/vda rw`),
  ].join('\n');
}

it.each(['', '-wal', '-shm', '.mark', '.lock'])(
  'P8: a ledger whose file orders.db%s is mounted alone is refused',
  (suffix) => {
    const files = filesOf('/data/orders.db');
    const look = () => requireNoMountPoint(Object.values(files), mountinfo('/data', `/data/orders.db${suffix}`));
    expect(look).toThrow(LedgerRefused);
    expect(look).toThrow(`/data/orders.db${suffix} is mounted as a single file`);
    expect(look).toThrow(/mount the folder/);
  },
);

it('P8: a mount point whose name has spaces, tabs, line ends, backslashes or non-ASCII letters is found', () => {
  for (const [path, at] of [
    ['/my data/orders.db', '/my\\040data/orders.db'],
    ['/a\tb\nc/orders.db', '/a\\011b\\012c/orders.db'],
    ['/a\\040b/orders.db', '/a\\134040b/orders.db'],
    ['/données/orders.db', '/données/orders.db'],
  ] as const) {
    expect(() => requireNoMountPoint(Object.values(filesOf(path)), mountinfo(at))).toThrow(LedgerRefused);
  }
});

it.each([
  ['its folder is', ['/data']],
  ['another file beside it is', ['/data/orders.db.backup', '/data/orders.dbx']],
  ['a file of its name elsewhere is', ['/other/data/orders.db']],
  ['nothing is', []],
])('a ledger is accepted if %s mounted', (_, places) => {
  expect(() => requireNoMountPoint(Object.values(filesOf('/data/orders.db')), mountinfo(...places))).not.toThrow();
});

it('a ledger is accepted if the system does not list its mounts', () => {
  expect(() => requireNoMountPoint(Object.values(filesOf('/data/orders.db')), '')).not.toThrow();
});
