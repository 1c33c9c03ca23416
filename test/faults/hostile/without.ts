import { registerHooks } from 'node:module';

// Loaded first by the server of a control: one file of src in place of another text of itself. The switch is here, and
// production code has none.

/** Patches by name: the file, a piece of it, and what stands there instead. */
const PATCHES: Readonly<Record<string, readonly [file: string, piece: string, instead: string]>> = {
  'bound of unfinished messages': [
    'src/server/grpc/enforcement/incoming-limit.ts',
    'if (this.#bytes <= MAX_INCOMING_BYTES) return;',
    'if (oldest) return;',
  ],
  'keys of some copies': [
    'src/server/methods/allocation-methods.ts',
    'ask: ({ storeId, requestId }, caller) => ({ storeId, count: 1, requestId, caller }),',
    "ask: ({ storeId, requestId }, caller) => ({ storeId, count: 1, requestId: Math.random() < 0.01 ? '' : requestId, caller }),",
  ],
  'refusal of what is no message': [
    'src/server/grpc/enforcement/request-size.ts',
    'if (form && !isMessage(bytes, form)) return malformed();',
    "if (form && !isMessage(bytes, form)) throw new Error('no message');",
  ],
  'rule about compression': [
    'src/server/grpc/entrance.ts',
    "return encoding !== 'identity';",
    'return encoding === undefined;',
  ],
};

const without = new URL(import.meta.url).searchParams.getAll('without');
for (const name of without) {
  const patch = PATCHES[name];
  if (!patch) throw new Error(`no patch is called ${name}`);
  const [file, piece, instead] = patch;
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      if (!url.endsWith(`/${file}`)) return loaded;
      const text = String(loaded.source);
      if (!text.includes(piece)) throw new Error(`${file} has changed: the control "${name}" patches nothing`);
      return { ...loaded, source: text.replace(piece, instead) };
    },
  });
}
