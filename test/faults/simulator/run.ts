import { simulatorProgram } from '../seeded/program.ts';
import { PLANTED_BUGS } from './loading/planted-bugs.ts';
import { missing, simulate } from './simulate.ts';
import { RARE } from './world/expected.ts';

await simulatorProgram({
  command: 'make sim',
  what: 'Runs the core and the client over a simulated network, disk and clock, and checks every promise.',
  bugs: PLANTED_BUGS,
  least: '3 lives, 200 calls or 5 faults',
  rare: RARE,
  simulate,
  missing,
});
