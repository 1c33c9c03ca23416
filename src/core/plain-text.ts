/** Whether a text would break the line that it is in, or worse. */
export function hasControlCharacter(text: string): boolean {
  return /[\p{Cc}\p{Zl}\p{Zp}]/u.test(text);
}

/**
 * The text of a setting, without the white space around it: an env file with the line ends of Windows leaves a
 * carriage return behind each value. Throws for what would break a line inside it.
 */
export function settingText(text: string): string {
  const value = text.trim();
  if (!hasControlCharacter(value)) return value;
  throw new Error('It has a line break or another control character in it: remove that.');
}
