import type { Command } from 'commander';
import { Option } from 'commander';

/** The form in which a command prints its data, if it is not a table: {@link withOutput} sets at most one of them. */
export interface OutputFlags {
  readonly json?: boolean | undefined;
  readonly csv?: boolean | undefined;
}

/** What the forms of one command look like, as its help has it. */
export interface OutputForms {
  readonly json: string;
  /** Absent if its data are not rows. */
  readonly csv?: string;
}

export const CSV_ROWS = 'csv with a header line and the fields of json (RFC 4180, but with LF line ends)';

/** Gives a command --output, and --json and --csv for short; after parsing, {@link OutputFlags} are set either way. */
export function withOutput(command: Command, { json, csv }: OutputForms): Command {
  const forms = ['table', 'json', ...(csv === undefined ? [] : ['csv'])];
  const output = new Option(
    '--output <form>',
    ['table for people', json, ...(csv === undefined ? [] : [csv])].join('; '),
  )
    .choices(forms)
    .default('table');
  command.addOption(output).addOption(new Option('--json', 'short for --output json').conflicts('output'));
  if (csv !== undefined) command.addOption(new Option('--csv', 'short for --output csv').conflicts(['output', 'json']));
  return command.hook('preAction', () => {
    const form = command.getOptionValue('output') as string;
    if (form !== 'table') command.setOptionValueWithSource(form, true, 'implied');
  });
}
