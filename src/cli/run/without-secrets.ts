/** Commander's message about an invalid value: the text before the value, the value, and the rest. */
const BAD_FLAG = /^(error: (?:option '[^']*' argument|command-argument value) ')([\s\S]*)(' is invalid[\s\S]*)$/;
const BAD_VARIABLE = /^(error: option '[^']*' value ')([\s\S]*)(' from env '\w+' is invalid[\s\S]*)$/;

/** Any other message: the text before something that was typed, and the rest. */
const OTHER = /^(error: (?:unknown option '-*[^=:]*=?|[^:]*: )?)([\s\S]*)$/;

/** A token in the place of something else, such as in ORDERS_TOKENS, which takes a file. */
const TOKENS = /(ordn_)[0-9A-Za-z]+/g;

/** A message about wrong flags, without tokens and without the passwords of URLs in the wrong place. */
export function withoutSecrets(message: string): string {
  const parts = BAD_FLAG.exec(message) ?? BAD_VARIABLE.exec(message) ?? OTHER.exec(message);
  const [, before = '', value = message, rest = ''] = parts ?? [];
  // A token is nothing but a secret.
  const shown = /'--token[ =]/.test(before) ? '…' : withoutPasswords(value.replace(TOKENS, '$1…'));
  return `${before}${shown}${rest}`;
}

/** Removes too much rather than too little: a refused value may be anything. */
function withoutPasswords(text: string): string {
  const withoutParameters = text.replace(/((?:passw\w*|pass|pwd|secret|token)\s*[=:]\s*)[\s\S]+/i, '$1…');
  if (!withoutParameters.includes('://')) return withoutParameters.replace(/^([^:]*:)[\s\S]*@/, '$1…@');
  return (
    withoutParameters
      // Up to the last @: a password may have one.
      .replace(/(:\/\/[^:@]*:)[\s\S]*@/, '$1…@')
      // Without a host, what would be the port.
      .replace(/(:\/\/[^:@/?]*:)(?!\d{1,5}(?:[/?,]|$))[^/?@…]+/, '$1…')
  );
}
