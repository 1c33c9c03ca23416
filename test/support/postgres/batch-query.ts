/** Whether these bytes of a client hold a batch: its statement with its text, or by its name alone. */
export function isBatch(bytes: Buffer): boolean {
  return bytes.includes('SELECT * FROM order_numbers.allocate') || bytes.includes('\0allocate\0');
}
