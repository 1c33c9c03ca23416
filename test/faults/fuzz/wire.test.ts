import { expect, it } from 'vitest';
import { faultRun, timeoutMs } from '../frame/fault-run.ts';
import { Random } from '../frame/random.ts';
import { Tally } from '../frame/tally.ts';
import type { Finding, FuzzTarget } from './fuzzer.ts';
import { fuzz } from './fuzzer.ts';
import { grpcFrameTarget } from './wire/grpc-frames.ts';
import { http1Target, http2Target } from './wire/raw-bytes.ts';
import { WireServer } from './wire/wire-server.ts';

const TEST = 'P6: whatever is on the wire, a server goes on, and answers others';
const run = faultRun('fuzz', { short: 6000, long: 1_000_000 });
/** The wire is slower: only this share of a run's rounds goes over it, for each of three kinds. */
const PART = 1 / 60;

it(
  'P6: whatever is on the wire, a server goes on, and answers others',
  async () => {
    const tally = new Tally(run, TEST);
    const random = new Random(run.seed);
    const server = await WireServer.start();
    const findings: Finding[] = [];
    let sent = 0;
    const look = async <Input>(target: FuzzTarget<Input>) => {
      const { inputs, ...result } = await fuzz(target, Math.ceil(run.rounds * PART), random.fork());
      tally.inject(target.name, inputs);
      tally.progress((sent += inputs));
      findings.push(...result.findings);
    };
    await look(grpcFrameTarget(server));
    await look(http2Target(server));
    await look(http1Target(server));
    expect(findings.map(({ target, line, error }) => `${target}: ${error.message}: ${line}`)).toEqual([]);
    await server.check();
    if (run.isLong) {
      const bare = await WireServer.start('refusal of what is no message');
      const { findings: red } = await fuzz(grpcFrameTarget(bare), 640, random.fork());
      const says = red[0]?.error.message ?? 'nothing';
      tally.control('without the refusal of what is no message', red.length > 0, says);
    }
    tally.end(sent);
  },
  timeoutMs(run),
);
