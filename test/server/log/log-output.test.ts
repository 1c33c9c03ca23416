import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { LogOutput } from '../../../src/server/log/log-output.ts';
import { testFolder } from '../../support/processes/server-process.ts';

const MAX_WAITING_BYTES = 1024 * 1024;
/** Reads nothing from its standard input until told to. */
const STOPPED_READER = `process.on('SIGUSR1', () => process.stdin.pipe(process.stdout)); console.error('ready'); setInterval(() => {}, 1e6)`;

describe('LogOutput', () => {
  it('writes every line, in order', async () => {
    const path = join(testFolder(), 'log');
    const output = new LogOutput(open(path));
    const lines = Array.from({ length: 5000 }, (_, i) => `line ${i} é\n`);
    for (const line of lines) output.write(line);
    expect(await output.end(5000)).toBe(true);
    expect(readFileSync(path, 'utf8')).toBe(lines.join(''));
    expect(output.dropped).toBe(0);
  });

  it('drops lines a full disk does not take, counts them and ends at once', async () => {
    const output = new LogOutput(open('/dev/full'));
    for (let i = 0; i < 100; i++) output.write(`line ${i}\n`);
    expect(await output.end(60_000)).toBe(true);
    expect(output.dropped).toBe(100);
    output.write('one more\n');
    expect(await output.end(60_000)).toBe(true);
    expect(output.dropped).toBe(101);
  });

  it('keeps a bounded number of lines for a reader that stopped, and ends without waiting for it', async () => {
    const { fd } = await stoppedReader();
    const output = new LogOutput(fd);
    const line = `${'x'.repeat(999)}\n`;
    for (let i = 0; i < 3000; i++) output.write(line);
    const keeps = MAX_WAITING_BYTES / line.length;
    expect(output.dropped).toBeGreaterThan(3000 - keeps - 1);
    expect(await output.end(20)).toBe(true);
  });

  it('continues when the reader does, with whole lines, and reports how many are missing', async () => {
    const { fd, child } = await stoppedReader();
    const onRecovered = vi.fn<(dropped: number) => void>();
    const output = new LogOutput(fd, onRecovered);
    for (let i = 0; i < 3000; i++) output.write(`${String(i).padEnd(999, 'x')}\n`);
    const { dropped } = output;
    let text = '';
    child.stdout!.on('data', (chunk: Buffer) => (text += chunk));
    child.kill('SIGUSR1');
    await vi.waitFor(() => expect(onRecovered).toHaveBeenCalledExactlyOnceWith(dropped));
    output.write('the last\n');
    await vi.waitFor(() => expect(text.endsWith('the last\n')).toBe(true));
    const lines = text.trimEnd().split('\n');
    expect(lines).toHaveLength(3000 - dropped + 1);
    expect(lines.slice(0, -1).every((line, i) => line === String(i).padEnd(999, 'x'))).toBe(true);
  });

  it('counts every line for a reader that is gone', async () => {
    const { fd, child } = await stoppedReader();
    child.kill('SIGKILL');
    await once(child, 'exit');
    const output = new LogOutput(fd);
    for (let i = 0; i < 10; i++) output.write(`line ${i}\n`);
    expect(await output.end(60_000)).toBe(true);
    expect(output.dropped).toBe(10);
  });
});

function open(path: string): number {
  const fd = openSync(path, 'w');
  onTestFinished(() => closeSync(fd));
  return fd;
}

async function stoppedReader(): Promise<{ readonly fd: number; readonly child: ChildProcess }> {
  const child = spawn(process.execPath, ['-e', STOPPED_READER], { stdio: ['pipe', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stderr!, 'data');
  // Node.js has no other way to a pipe that is not blocking, which is what standard output is made into.
  const { _handle: handle } = child.stdin as unknown as { readonly _handle: { readonly fd: number } };
  return { fd: handle.fd, child };
}
