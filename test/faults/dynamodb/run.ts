import { simulatorProgram } from '../seeded/program.ts';
import { PLANTED_BUGS } from './loading/planted-bugs.ts';
import { missing, simulate } from './simulate.ts';

await simulatorProgram({
  command: 'make sim-dynamodb',
  what: 'Runs servers of the DynamoDB engine over a simulated table, network and clock, and checks every promise.',
  bugs: PLANTED_BUGS,
  least: '3 lives, 200 calls or 10 faults',
  simulate,
  missing,
});
