import { styleText } from 'node:util';
import type { ServerActivity, ServerStatus } from '../../client/index.ts';
import { printable } from '../../core/text/plain-text.ts';
import type { Column } from './columns.ts';
import { Columns, grouped, shortTime } from './columns.ts';

/** What a terminal shows in place of a server that does not answer. */
export interface LostServer {
  /** Why, in one line. */
  readonly lost: string;
}

/** A value that was not measured. */
const NONE = '-';
const TITLE_WIDTH = 12;
const CELL_WIDTH = 22;
const CUT = '…';

/** One server, filling a terminal of this width: a title and a row per line. */
export function serverFrame(server: string, step: ServerStatus | LostServer, width: number): string[] {
  const cut = (text: string) => (text.length > width ? `${text.slice(0, width - 1)}${CUT}` : text);
  const row = (title: string, ...cells: readonly string[]) =>
    cut(`${title.padEnd(TITLE_WIDTH)}${cells.map((cell) => cell.padEnd(CELL_WIDTH)).join('')}`.trimEnd());
  const state = (text: string, color: 'green' | 'yellow' | 'red') => {
    const [title, shown] = [row('state', ''), cut(row('state', printable(text)))];
    return `${title.padEnd(TITLE_WIDTH)}${styleText(color, shown.slice(TITLE_WIDTH))}`;
  };
  if ('lost' in step) return [cut(server), '', state(step.lost, 'red')];
  const { activity } = step;
  const about = `${server}   ${step.engine}   version ${step.version}   since ${shortTime(step.startTime)}`;
  return [
    cut(printable(about)),
    '',
    state(stateText(step), step.state === 'serving' ? 'green' : step.state === 'draining' ? 'yellow' : 'red'),
    row('last id', grouped(step.lastOrderId)),
    row(
      'numbered',
      perSecond(activity?.allocationsPerSecond),
      `replayed ${perSecond(activity?.replaysPerSecond)}`,
      `refused ${perSecond(activity?.refusalsPerSecond)}`,
    ),
    row('calls', `p50 ${inMs(activity?.callP50Ms)}`, `p99 ${inMs(activity?.callP99Ms)}`),
    row('waiting', grouped(step.waitingRequests)),
    row('batches', perSecond(activity?.batchesPerSecond), `requests each ${rate(activity?.batchSize)}`),
    row('commits', `p50 ${inMs(activity?.commitP50Ms)}`, `p99 ${inMs(activity?.commitP99Ms)}`),
  ];
}

/** One line per step, for a file or a pipe. */
export class ServerLines {
  readonly #columns = new Columns(COLUMNS);
  #isBelowHeader = false;

  /** The row, below a header if it is the first. */
  row(step: ServerStatus): string[] {
    const header = this.#isBelowHeader ? [] : [this.#columns.header()];
    this.#isBelowHeader = true;
    return [...header, this.#columns.row(step)];
  }
}

const COLUMNS: readonly Column<ServerStatus>[] = [
  { title: 'TIME', width: 19, value: () => shortTime(new Date()) },
  { title: 'STATE', width: 8, value: stateText },
  { title: 'LAST ID', width: 10, align: 'right', value: ({ lastOrderId }) => String(lastOrderId) },
  measured('NUMBERED/S', ({ allocationsPerSecond }) => rate(allocationsPerSecond)),
  measured('REPLAYED/S', ({ replaysPerSecond }) => rate(replaysPerSecond)),
  measured('REFUSED/S', ({ refusalsPerSecond }) => rate(refusalsPerSecond)),
  measured('P50 MS', ({ callP50Ms }) => duration(callP50Ms)),
  measured('P99 MS', ({ callP99Ms }) => duration(callP99Ms)),
  { title: 'WAITING', width: 7, align: 'right', value: ({ waitingRequests }) => String(waitingRequests) },
  measured('BATCHES/S', ({ batchesPerSecond }) => rate(batchesPerSecond)),
  measured('BATCH', ({ batchSize }) => rate(batchSize)),
  measured('COMMIT P50 MS', ({ commitP50Ms }) => duration(commitP50Ms)),
  measured('COMMIT P99 MS', ({ commitP99Ms }) => duration(commitP99Ms)),
];

function measured(title: string, value: (activity: ServerActivity) => string): Column<ServerStatus> {
  return { title, width: 7, align: 'right', value: ({ activity }) => (activity ? value(activity) : NONE) };
}

/** The state, with its reason and how long the ledger has been closed. */
function stateText({ state, reason, ledgerClosedSeconds }: ServerStatus): string {
  if (state === 'serving' || state === 'draining') return state;
  const since = ledgerClosedSeconds > 0 ? ` for ${grouped(Math.floor(ledgerClosedSeconds))} s` : '';
  return `${state}${since}${reason === '' ? '' : `: ${reason}`}`;
}

function perSecond(value: number | undefined): string {
  return value === undefined ? NONE : `${rate(value)}/s`;
}

function inMs(ms: number | undefined): string {
  return ms === undefined ? NONE : `${duration(ms)} ms`;
}

/** A rate or a mean: one digit behind the point while it is small. */
function rate(value: number | undefined): string {
  if (value === undefined) return NONE;
  return value === 0 || value >= 100 ? grouped(Math.round(value)) : value.toFixed(1);
}

/** Milliseconds: two digits behind the point while they are few. */
function duration(ms: number | undefined): string {
  if (ms === undefined) return NONE;
  return ms >= 100 ? grouped(Math.round(ms)) : ms.toFixed(ms >= 10 ? 1 : 2);
}
