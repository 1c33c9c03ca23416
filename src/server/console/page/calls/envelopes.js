/** Length-prefixed messages, as the streams of the Connect protocol have them. */

/** Bytes before each message: flags, then its length as a big-endian number. */
const HEADER_BYTES = 5;

/**
 * One message that is ready to be sent.
 *
 * @param {string} json
 */
export function toEnvelope(json) {
  const message = new TextEncoder().encode(json);
  const envelope = new Uint8Array(HEADER_BYTES + message.length);
  new DataView(envelope.buffer).setUint32(1, message.length);
  envelope.set(message, HEADER_BYTES);
  return envelope;
}

/**
 * Splits what arrives into messages, however it is cut into chunks. Ends with the body, and cancels it if the consumer
 * stops first; an incomplete message at the end is dropped.
 *
 * @param {ReadableStream<Uint8Array>} body
 */
export async function* fromEnvelopes(body) {
  const reader = body.getReader();
  let waiting = new Uint8Array(0);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      waiting = joined(waiting, value);
      let start = 0;
      for (;;) {
        const end = endOfMessage(waiting, start);
        if (end > waiting.length) break;
        const text = new TextDecoder().decode(waiting.subarray(start + HEADER_BYTES, end));
        yield { flags: waiting[start] ?? 0, text };
        start = end;
      }
      waiting = waiting.slice(start);
    }
  } finally {
    // It may have failed already, which its reader has reported.
    reader.cancel().catch(() => {});
  }
}

/**
 * @param {Uint8Array} bytes
 * @param {number} start
 */
function endOfMessage(bytes, start) {
  if (bytes.length < start + HEADER_BYTES) return Infinity;
  return start + HEADER_BYTES + new DataView(bytes.buffer, bytes.byteOffset + start).getUint32(1);
}

/**
 * @param {Uint8Array} first
 * @param {Uint8Array} second
 */
function joined(first, second) {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
