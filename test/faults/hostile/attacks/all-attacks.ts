import type { Attack } from './attack.ts';
import { CONNECTION_FLOODS, HANDSHAKE_FLOODS, TOKEN_FLOODS } from './connection-floods.ts';
import { HTTP1_FLOODS } from './http1-floods.ts';
import { HTTP2_FLOODS } from './http2-floods.ts';
import { OVERLOADS } from './overload.ts';

/** What a server needs so that an attack makes sense. */
export type Defence = 'open' | 'tokens' | 'tls';

/** All attacks, by what the server has. */
export const ATTACKS: Readonly<Record<Defence, Readonly<Record<string, Attack>>>> = {
  open: { ...HTTP2_FLOODS, ...HTTP1_FLOODS, ...CONNECTION_FLOODS, ...OVERLOADS },
  tokens: TOKEN_FLOODS,
  tls: HANDSHAKE_FLOODS,
};
