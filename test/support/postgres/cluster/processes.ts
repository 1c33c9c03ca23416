import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { until } from '../../until.ts';

interface Process {
  readonly pid: number;
  readonly parent: number;
  /** One letter, as ps has it: T is stopped, Z is dead and not yet collected by its parent. */
  readonly state: string;
}

/**
 * Stops a process and its children, as if their machine stood still, and resolves to their ids when none of
 * them moves any more. PostgreSQL's children lead sessions of their own, so no signal reaches all of them at once.
 */
export async function freeze(pid: number): Promise<readonly number[]> {
  // First the parent: from then on there are no new children.
  await stop([pid]);
  const children = [...processes().values()].filter(({ parent, state }) => parent === pid && state !== 'Z');
  const family = [pid, ...children.map((child) => child.pid)];
  await stop(family);
  return family;
}

/** Resumes what {@link freeze} has stopped. */
export function thaw(family: readonly number[]): void {
  signal(family, 'SIGCONT');
}

/** Kill -9 for a process and its children, all at one moment as the others see it; resolves when all are dead. */
export async function killTree(pid: number): Promise<void> {
  const family = await freeze(pid);
  signal(family, 'SIGKILL');
  await until(`${family.join(', ')} are dead`, () => {
    const all = processes();
    return family.every((member) => !isAlive(all.get(member)));
  });
}

/** Whether a process exists and is not a zombie. */
export function isRunning(pid: number): boolean {
  return isAlive(processes().get(pid));
}

/** Whether a process works in a folder; without a /proc, none does. */
export function isInUse(folder: string): boolean {
  if (process.platform !== 'linux') return false;
  return pidsFromProc().some((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`).startsWith(folder);
    } catch {
      // It ended, or belongs to another user.
      return false;
    }
  });
}

async function stop(pids: readonly number[]): Promise<void> {
  signal(pids, 'SIGSTOP');
  await until(`${pids.join(', ')} are stopped`, () => {
    const all = processes();
    return pids.every((pid) => all.get(pid)?.state === 'T' || !isAlive(all.get(pid)));
  });
}

function isAlive(process: Process | undefined): boolean {
  return process !== undefined && process.state !== 'Z' && process.state !== 'X';
}

function signal(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

/** All processes of this machine. A bare Linux has no ps; other systems have no /proc. */
function processes(): ReadonlyMap<number, Process> {
  const all = process.platform === 'linux' ? fromProc() : fromPs();
  return new Map(all.map((one) => [one.pid, one]));
}

function fromProc(): Process[] {
  return pidsFromProc().flatMap((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // `pid (name) state parent …`, and a name may hold brackets and spaces.
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return [{ pid: Number(pid), parent: Number(parent), state: state! }];
    } catch {
      // It ended after its name was read.
      return [];
    }
  });
}

function pidsFromProc(): string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
}

function fromPs(): Process[] {
  const lines = execFileSync('ps', ['-Ao', 'pid=,ppid=,state='], { encoding: 'utf8' }).trim().split('\n');
  return lines.map((line) => {
    const [pid, parent, state] = line.trim().split(/\s+/);
    return { pid: Number(pid), parent: Number(parent), state: state![0]! };
  });
}
