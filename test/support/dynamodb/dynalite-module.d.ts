declare module 'dynalite' {
  import type { Server } from 'node:http';

  /** See https://github.com/architect/dynalite#api: a server that is not listening yet. */
  export default function dynalite(options: {
    readonly createTableMs?: number;
    readonly deleteTableMs?: number;
    readonly updateTableMs?: number;
    readonly path?: string;
  }): Server;
}
