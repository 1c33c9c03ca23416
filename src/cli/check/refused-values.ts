import type { Command } from 'commander';
import { messageOf } from '../../core/errors.ts';
import type { ServeSettings, Setting } from '../../server/settings.ts';
import { SERVE_SETTINGS } from '../../server/settings.ts';

/** The name of a setting of the server, which commander derives from its flag as well. */
export type SettingName = keyof ServeSettings;

export const SETTING_NAMES = Object.keys(SERVE_SETTINGS) as readonly SettingName[];

/** `--name` alone. */
export function flagOf(name: SettingName): string {
  return SERVE_SETTINGS[name].flag.split(' ')[0]!;
}

/** The values of settings that were refused: all of a command line and its environment, not only the first. */
export class RefusedValues {
  readonly #refused = new Map<SettingName, { readonly text: string; readonly remedy: string }>();

  /** A parser for commander that never throws: instead of a refused value it returns the default. */
  parser(name: SettingName): (text: string) => unknown {
    const setting: Setting<unknown> = SERVE_SETTINGS[name];
    return (text) => {
      try {
        return setting.parse(text);
      } catch (error) {
        this.#refused.set(name, { text, remedy: messageOf(error) });
        return setting.parse(setting.default);
      }
    };
  }

  get names(): SettingName[] {
    return [...this.#refused.keys()];
  }

  /** What is wrong, as commander would say it. It may contain secrets: see without-secrets.ts. */
  messages(command: Command): { readonly name: SettingName; readonly message: string }[] {
    return [...this.#refused].map(([name, { text, remedy }]) => {
      const { flag, variable } = SERVE_SETTINGS[name];
      const isVariable = command.getOptionValueSource(name) === 'env';
      const source = isVariable ? `value '${text}' from env '${variable}'` : `argument '${text}'`;
      return { name, message: `error: option '${flag}' ${source} is invalid. ${remedy}` };
    });
  }
}
