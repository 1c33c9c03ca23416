import { registerHooks } from 'node:module';

// Loaded first by the server of a control: one file of src in place of another text of itself. The switch is here, and
// production code has none.

type Patch = readonly [file: string, piece: string, instead: string];

/** Patches by name: the file, a piece of it, and what stands there instead. */
const PATCHES: Readonly<Record<string, readonly Patch[]>> = {
  'authentication of callers': [
    [
      'src/server/calls.ts',
      'const principal = context.authenticator.authenticate(transport.credentialsOf(this.#source));',
      `let principal = { name: '', verbs: new Set([method.verb]), stores: 'all' };
      try {
        principal = context.authenticator.authenticate(transport.credentialsOf(this.#source));
      } catch {}`,
    ],
  ],
  'bound of unfinished messages': [
    [
      'src/server/grpc/enforcement/incoming-limit.ts',
      'if (this.#bytes <= MAX_INCOMING_BYTES) return;',
      'if (oldest) return;',
    ],
  ],
  'keys of some copies': [
    [
      'src/server/methods/allocation-methods.ts',
      'ask: ({ storeId, requestId }, caller) => ({ storeId, count: 1, requestId, caller }),',
      "ask: ({ storeId, requestId }, caller) => ({ storeId, count: 1, requestId: Math.random() < 0.01 ? '' : requestId, caller }),",
    ],
  ],
  'one length of a request': [
    ['src/server/http/http-server.ts', 'noDelay: true,', 'noDelay: true, insecureHTTPParser: true,'],
    [
      'src/server/http/http-server.ts',
      "server.on('request', handler)",
      `server.on('request', (request, response) => {
        if ('transfer-encoding' in request.headers) delete request.headers['content-length'];
        handler(request, response);
      })`,
    ],
  ],
  'refusal of what is no JSON': [
    [
      'src/server/http/malformed.ts',
      '// No JSON, or nested too deeply to be read.\n    return undefined;',
      "throw new Error('no JSON');",
    ],
  ],
  'refusal of what is no message': [
    [
      'src/server/grpc/enforcement/request-size.ts',
      'if (form && !isMessage(bytes, form)) return malformed();',
      "if (form && !isMessage(bytes, form)) throw new Error('no message');",
    ],
  ],
  'rule about compression': [
    ['src/server/grpc/entrance.ts', "return encoding !== 'identity';", 'return encoding === undefined;'],
  ],
};

const without = new URL(import.meta.url).searchParams.getAll('without');
for (const name of without) {
  const patches = PATCHES[name];
  if (!patches) throw new Error(`no patch is called ${name}`);
  for (const [file, piece, instead] of patches) {
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
}
