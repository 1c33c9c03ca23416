/** The messages of WatchServer and VerifyLedger, read from their JSON. */

/** @typedef {{ seconds?: number, allocationsPerSecond?: number, replaysPerSecond?: number, refusalsPerSecond?: number,
 *   callP50Ms?: number, callP99Ms?: number, batchSize?: number }} Activity as the JSON has it
 */

/**
 * @typedef {object} ServerStep what a server is doing
 * @property {boolean} isServing
 * @property {string} reason why it does not serve; empty while it does
 * @property {bigint} lastOrderId
 * @property {number} waiting requests in the queue
 * @property {Activity | undefined} activity absent until the first second is over
 * @property {string} about version and engine
 */

/**
 * @typedef {{ kind: 'progress', rowsRead: bigint, orderId: bigint, endOrderId: bigint } |
 *   { kind: 'finding', message: string } |
 *   { kind: 'declaredLoss', message: string } |
 *   { kind: 'verdict', ok: boolean, rows: bigint, sequences: bigint, findings: bigint, asOfOrderId: bigint } |
 *   { kind: 'sequence' }} VerifyStep
 */

/**
 * @param {unknown} json
 * @returns {ServerStep}
 */
export function toServerStep(json) {
  const message = /** @type {import('./messages.js').Strings & { waitingRequests?: number, activity?: Activity }} */ (
    json
  );
  return {
    isServing: message['state'] === 'SERVER_STATE_SERVING',
    reason: message['reason'] ?? '',
    lastOrderId: BigInt(message['lastOrderId'] ?? 0),
    waiting: message.waitingRequests ?? 0,
    activity: message.activity,
    about: ['Version', message['version'], 'on', message['engine']].join(' '),
  };
}

/**
 * @param {unknown} json
 * @returns {VerifyStep}
 */
export function toVerifyStep(json) {
  const { progress, finding, declaredLoss, verdict } =
    /** @type {Partial<Record<string, import('./messages.js').Strings>>} */ (json);
  if (progress)
    return {
      kind: 'progress',
      rowsRead: BigInt(progress['rowsRead'] ?? 0),
      orderId: BigInt(progress['orderId'] ?? 0),
      endOrderId: BigInt(progress['endOrderId'] ?? 0),
    };
  if (finding) return { kind: 'finding', message: finding['message'] ?? '' };
  if (declaredLoss) return { kind: 'declaredLoss', message: lossIn(declaredLoss) };
  if (verdict)
    return {
      kind: 'verdict',
      ok: Boolean(verdict['ok']),
      rows: BigInt(verdict['rows'] ?? 0),
      sequences: BigInt(verdict['sequences'] ?? 0),
      findings: BigInt(verdict['findings'] ?? 0),
      asOfOrderId: BigInt(verdict['asOfOrderId'] ?? 0),
    };
  return { kind: 'sequence' };
}

/** @param {import('./messages.js').Strings} loss */
function lossIn({ storeId, first, last }) {
  const sequence = storeId === undefined ? 'order IDs' : `order numbers of store ${storeId}`;
  return `Declared lost: the ${sequence} ${first} to ${last}.`;
}
