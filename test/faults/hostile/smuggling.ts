import { RawConnection } from './attacks/raw-connection.ts';

const PATH = '/api/generateOrderNumber';
const BODY = '{"store_id":99}';
/** The server closes after a refusal; a busy machine may take a while. */
const WAIT_MS = 10_000;

/** How the bytes behind the head are framed in more ways than one, or in none. */
const HEADS: Readonly<Record<string, string>> = {
  'a length and chunks': `Content-Length: ${BODY.length}\r\nTransfer-Encoding: chunked\r\n`,
  'chunks and a length': `Transfer-Encoding: chunked\r\nContent-Length: ${BODY.length}\r\n`,
  'two lengths': `Content-Length: ${BODY.length}\r\nContent-Length: 0\r\n`,
  'a list of lengths': `Content-Length: ${BODY.length}, 0\r\n`,
  'chunked that is not last': 'Transfer-Encoding: chunked, identity\r\n',
  'chunked twice': 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n',
  'a misspelled encoding': 'Transfer-Encoding: xchunked\r\n',
  'a folded header': `Transfer-Encoding:\r\n chunked\r\nContent-Length: ${BODY.length}\r\n`,
  'a space before the colon': `Transfer-Encoding : chunked\r\nContent-Length: ${BODY.length}\r\n`,
  'a line feed alone': `X: y\nTransfer-Encoding: chunked\nContent-Length: ${BODY.length}\r\n`,
  'a carriage return alone': `X: y\rTransfer-Encoding: chunked\r\nContent-Length: ${BODY.length}\r\n`,
  'a null in a name': `Transfer\0-Encoding: chunked\r\nContent-Length: ${BODY.length}\r\n`,
  'a negative length': 'Content-Length: -1\r\n',
  'a signed length': `Content-Length: +${BODY.length}\r\n`,
  'a length in hex': `Content-Length: 0x${BODY.length.toString(16)}\r\n`,
};

/**
 * Requests whose end two readers see in different places, each with another request in its body, as an attacker hides
 * it from a proxy. Returns a sentence for each that was served: the server has to refuse what is ambiguous.
 */
export async function smuggle(http: string): Promise<{ readonly sent: number; readonly served: readonly string[] }> {
  const served = await Promise.all(
    Object.entries(HEADS).map(async ([name, head], i) => {
      const hidden = `POST ${PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: smuggled-${i}\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;
      const start = `POST ${PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${head}\r\n`;
      const answers = await answersTo(http, `${start}0\r\n\r\n${hidden}`);
      return answers.some((status) => status === 200) ? [`${name}: answered with ${answers.join(', ')}`] : [];
    }),
  );
  return { sent: served.length, served: served.flat() };
}

async function answersTo(http: string, text: string): Promise<readonly number[]> {
  const connection = await RawConnection.open(http);
  if (!connection) return [];
  let received = '';
  const served = new Promise<void>((resolve) => {
    connection.socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      if (received.includes('HTTP/1.1 200')) resolve();
    });
  });
  await connection.send(Buffer.from(text, 'latin1'));
  await Promise.race([connection.closed(WAIT_MS), served]);
  connection.destroy();
  return Array.from(received.matchAll(/HTTP\/1\.1 (\d+)/g), ([, status]) => Number(status));
}
