/** Whether these bytes of a client hold a batch: its statement with its text, or by its name alone. */
export function isBatch(bytes: Buffer): boolean {
  return bytes.includes('order_numbers.allocate_') || /\0allocate( one)?\0/.test(bytes.toString('latin1'));
}
