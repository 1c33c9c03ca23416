import type { TcpLink } from './tcp-link.ts';
import { TcpRelay } from './tcp-relay.ts';

/** The end of an answer of PostgreSQL: it is ready for the next query. What was to be committed is, by then. */
const READY_FOR_QUERY = Buffer.from('Z\0\0\0\u0005', 'latin1');
const IN_TRANSACTION_OR_NOT_BYTES = 1;

interface Trap {
  readonly isAsked: (fromClient: Buffer) => boolean;
  readonly sprung: PromiseWithResolvers<void>;
}

/** The network between a client and one server, and what goes wrong with it. */
export class TcpProxy extends TcpRelay {
  /** host:port for the connections to come; those there are stay where they are. */
  target: string;
  #isStalled = false;
  readonly #unopened = new Set<TcpLink>();
  #trap: Trap | undefined;

  private constructor(target: string) {
    super();
    this.target = target;
  }

  /** `target` is host:port. */
  static async start(target: string): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await proxy.listen();
    return proxy;
  }

  /** Stalls all connections, so that nothing passes in either direction; new ones are accepted and stalled, too. */
  stall(): void {
    this.#isStalled = true;
    for (const link of this.links) link.stall();
  }

  /** Ends all connections, and refuses new ones. */
  refuse(): void {
    this.stopListening();
    this.cut();
  }

  /** Heals {@link stall} and {@link refuse}; what was held back passes now. */
  async flow(): Promise<void> {
    this.#isStalled = false;
    for (const link of this.links) link.flow();
    for (const link of this.#unopened) void link.open([this.target]);
    this.#unopened.clear();
    await this.listen();
  }

  /**
   * Lets one query to PostgreSQL through and loses its answer: from the next matching bytes of a client on, the
   * answer of the server is dropped; when it is complete, and so the commit is done, the connection is cut.
   * Resolves then; rejects when the connection ends before.
   * @param isAsked sees what a client has sent since the server last answered it
   */
  cutAnswerOfNext(isAsked: (fromClient: Buffer) => boolean): Promise<void> {
    const sprung = Promise.withResolvers<void>();
    this.#trap = { isAsked, sprung };
    return sprung.promise;
  }

  protected override accept(link: TcpLink): void {
    let sent = Buffer.alloc(0);
    link.fromClient = (bytes) => {
      const trap = this.#trap;
      if (!trap) return true;
      // A long query comes in pieces, and the text looked for may be split.
      sent = Buffer.concat([sent, bytes]);
      if (trap.isAsked(sent)) {
        this.#trap = undefined;
        swallowAnswer(link, trap);
      }
      return true;
    };
    link.fromServer = () => {
      sent = Buffer.alloc(0);
      return true;
    };
    if (this.#isStalled) {
      link.stall();
      this.#unopened.add(link);
    } else {
      void link.open([this.target]);
    }
  }
}

/** Several servers behind one address: each connection goes to the next of them that accepts. */
export class Balancer extends TcpRelay {
  /** host:port of each, for the connections to come; those there are stay where they are. */
  targets: readonly string[];
  #next = 0;

  private constructor(targets: readonly string[]) {
    super();
    this.targets = targets;
  }

  /** `targets` are host:port. */
  static async start(targets: readonly string[]): Promise<Balancer> {
    const balancer = new Balancer(targets);
    await balancer.listen();
    return balancer;
  }

  protected override accept(link: TcpLink): void {
    const first = this.#next++ % Math.max(this.targets.length, 1);
    void link.open([...this.targets.slice(first), ...this.targets.slice(0, first)]);
  }
}

function swallowAnswer(link: TcpLink, { sprung }: Trap): void {
  let end = Buffer.alloc(0);
  link.fromServer = (bytes) => {
    end = Buffer.concat([end, bytes]).subarray(-READY_FOR_QUERY.length - IN_TRANSACTION_OR_NOT_BYTES);
    if (end.subarray(0, READY_FOR_QUERY.length).equals(READY_FOR_QUERY)) {
      sprung.resolve();
      link.cut();
    }
    return false;
  };
  void link.closed.then(() => sprung.reject(new Error('the connection ended before the server had answered')));
}
