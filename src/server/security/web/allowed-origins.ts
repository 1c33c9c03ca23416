/** Origins of web pages, separated by commas, or none. Throws an Error that says what a good value is. */
export function parseOrigins(text: string): readonly string[] {
  if (text === 'none') return [];
  return text.split(',').map((part) => {
    const origin = part.trim();
    if (isOrigin(origin)) return origin;
    throw new Error('Use origins as a browser sends them, separated by commas, such as https://shop.example, or none.');
  });
}

function isOrigin(text: string): boolean {
  return /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}
