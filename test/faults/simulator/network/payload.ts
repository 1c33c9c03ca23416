import type { Payload } from './server-end.ts';

/** A message as it travels: in its bytes, or as a copy of itself, which takes less time. */
export function encoded<Message>(
  message: Message,
  isEncoded: boolean,
  serialize: (message: Message) => Uint8Array,
): Payload {
  return isEncoded ? serialize(message) : { ...(message as object) };
}

/** The message; each receiver gets one of its own. */
export function decoded<Message>(payload: Payload, deserialize: (bytes: Buffer) => Message): Message {
  return payload instanceof Uint8Array ? deserialize(Buffer.from(payload)) : ({ ...payload } as unknown as Message);
}
