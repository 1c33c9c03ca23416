const JSON_NUMBER = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** Whether a JSON number has no fraction: 5.0, 1e3 and 1.5e1 have none. */
export function isWhole(source: string): boolean {
  const [, whole = '', fraction = '', exponent = '0'] = JSON_NUMBER.exec(source) ?? [];
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  return point >= digits.length || /^0*$/.test(digits.slice(Math.max(0, point)));
}
