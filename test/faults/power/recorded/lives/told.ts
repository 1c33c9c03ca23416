/** What one request asked for. */
export interface AskedOrder {
  readonly requestId: string;
  readonly storeId: bigint;
  readonly count: number;
}

/** What callers asked and were told so far: the file `told`, of which each line is one event. */
export class Told {
  /** All that was ever asked, by request_id. */
  readonly asked = new Map<string, AskedOrder>();
  /** `order_id order_number` of all that was ever answered, by request_id. */
  readonly given = new Map<string, string>();
  /** The prefix of the store whose style changes: asked for last, and answered last. */
  askedPrefix = '';
  prefix = '';
  /** How many backups exist. */
  backups = 0;
  /** The last order_id that was given. */
  end = 0n;

  /** `text` is what was appended: whole lines. */
  apply(text: string): void {
    for (const line of text.split('\n')) {
      const [event = '', first = '', second = '', third = ''] = line.split(' ');
      if (event === 'ask') this.asked.set(first, { requestId: first, storeId: BigInt(second), count: Number(third) });
      if (event === 'gave') this.#give(first, BigInt(second), third);
      if (event === 'ask-prefix') this.askedPrefix = first;
      if (event === 'prefix') this.prefix = first;
      if (event === 'backup') this.backups = Number(first) + 1;
    }
  }

  /** Asked and not answered. */
  get open(): AskedOrder[] {
    return [...this.asked.values()].filter(({ requestId }) => !this.given.has(requestId));
  }

  #give(requestId: string, orderId: bigint, orderNumber: string): void {
    this.given.set(requestId, `${orderId} ${orderNumber}`);
    const last = orderId + BigInt(this.asked.get(requestId)!.count) - 1n;
    if (last > this.end) this.end = last;
  }
}

export function askedLine({ requestId, storeId, count }: AskedOrder): string {
  return `ask ${requestId} ${storeId} ${count}`;
}

export function givenLine(requestId: string, orderId: bigint, orderNumber: bigint): string {
  return `gave ${requestId} ${orderId} ${orderNumber}`;
}
