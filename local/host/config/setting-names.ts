// Replaces `%NAME%` by the app setting of that name, as the real host does in queue names, schedules, routes and the hub name.
// A missing setting is an error: starting with half a name would listen on the wrong queue.
import { HostStartError } from './start-error.ts';

const NAME = /%([^%\s]+)%/g;

/** The environment an app runs in: app settings by name. */
export type AppSettings = Readonly<Record<string, string | undefined>>;

/** Text with every `%NAME%` replaced. Throws `HostStartError` (kind `app`) that names the setting and `where` it is used. */
export function resolveSettingNames(text: string, settings: AppSettings, where: string): string {
  return text.replace(NAME, (whole, name: string) => {
    const value = settings[name];
    if (value === undefined || value === '') {
      const mend = `Set it in the environment or under "Values" in local.settings.json.`;
      throw new HostStartError('app', `${where}: the app setting "${name}" (written ${whole}) is not set. ${mend}`);
    }
    return value;
  });
}
