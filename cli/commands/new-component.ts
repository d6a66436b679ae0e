import { access, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { Name } from '../../shared/contracts/identifiers.ts';
import type { Command } from '../command.ts';
import { textOption } from '../command.ts';
import { CommandError, EXIT } from '../failure.ts';
import { componentFiles } from '../templates/component.ts';

/** Makes the folder of a component that runs and passes its test as it is. Nothing that is there already is touched. */
export const newComponent: Command = {
  name: 'new component',
  args: ['<name>'],
  help: 'Make the folder of a training or serving step, with image, pins and a test',
  options: [{ flags: '--dir <dir>', help: 'folder to make it in (default components)' }],
  async run(context, [name = ''], options) {
    const { output } = context;
    const checked = Name.safeParse(name);
    if (!checked.success) throw new CommandError(EXIT.usage, `"${name}" is no component's name: ${checked.error.issues[0]?.message ?? ''}`);
    const folder = join(resolve(textOption(options, 'dir') ?? join(context.root, 'components')), name);
    const taken = await access(folder).then(
      () => true,
      () => false,
    );
    if (taken) throw new CommandError(EXIT.usage, `${folder} is there already`, 'choose another name; nothing was changed');
    const files = componentFiles(name);
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), text, { flag: 'wx' });
    }
    const shown = relative(process.cwd(), folder) || '.';
    output.line(`Component ${output.paint.bold(name)} is in ${shown}`);
    output.field('your work', join(shown, `sluice_${name.replaceAll('-', '_')}`, '__main__.py'));
    output.field('its test', `python3 -m pytest ${join(shown, 'tests')}`);
    output.field('its image', `npm run images -- --registry REGISTRY --base python@sha256:… ${name}`);
    output.field(
      'to use it',
      `train: { backend: [local], component: ${name} } in sluice.yaml; start the local stack again, so that it knows it`,
    );
    output.result({ name, folder, files: Object.keys(files) });
    return EXIT.done;
  },
};
