// The app folder (package.json main), local.settings.json, app settings by name, and the lock of the data folder.
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { entryFiles } from '../../../../local/host/config/app-folder.ts';
import { holdDataFolder } from '../../../../local/host/config/data-folder.ts';
import { exportLocalSettings, readLocalSettings } from '../../../../local/host/config/local-settings.ts';
import { resolveSettingNames } from '../../../../local/host/config/setting-names.ts';
import { HostStartError } from '../../../../local/host/config/start-error.ts';

const folderWith = (files: Record<string, string>) => {
  const folder = mkdtempSync(join(tmpdir(), 'app-folder-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
};

describe('package.json main', () => {
  it.each([
    ['dist/app.js', ['dist/app.js']],
    ['dist/functions/*.js', ['dist/functions/a.js', 'dist/functions/b.js']],
    ['dist/**/*.js', ['dist/app.js', 'dist/functions/a.js', 'dist/functions/b.js', 'dist/functions/deep/c.js']],
    ['./dist/{app,functions/a}.js', ['dist/app.js', 'dist/functions/a.js']],
    ['dist/functions/?.js', ['dist/functions/a.js', 'dist/functions/b.js']],
  ])('%s', (main, expected) => {
    const names = [
      'dist/app.js',
      'dist/functions/a.js',
      'dist/functions/b.js',
      'dist/functions/deep/c.js',
      'dist/functions/a.js.map',
      'dist/node_modules/x/y.js',
    ];
    const folder = folderWith({ 'package.json': JSON.stringify({ main }), ...Object.fromEntries(names.map((name) => [name, ''])) });
    expect(entryFiles(folder).map((file) => relative(folder, file))).toEqual(expected);
  });

  it('says what to do when it names nothing', () => {
    expect(() => entryFiles('/no/such/folder')).toThrow('there is no such folder. Give the folder of the app with --app.');
    expect(() => entryFiles(folderWith({ 'package.json': '{}' }))).toThrow('"main" must name the built app');
    expect(() => entryFiles(folderWith({ 'package.json': '{"main":"dist/app.js"}' }))).toThrow('no such file exists. Build the app first.');
    expect(() => entryFiles(folderWith({ 'package.json': '{"main":"dist/(.js"}' }))).toThrow('Build the app first.');
  });
});

describe('local.settings.json', () => {
  it('sets what the environment does not hold', () => {
    const folder = folderWith({
      'local.settings.json': '{"IsEncrypted":false,"Values":{"A":"file","B":"file","N":5},"Host":{"LocalHttpPort":7075}}',
    });
    const environment: NodeJS.ProcessEnv = { A: 'process', E: '' };
    const settings = readLocalSettings(folder);
    expect(exportLocalSettings(settings, environment)).toEqual(['B', 'N']);
    expect(environment).toEqual({ A: 'process', B: 'file', N: '5', E: '' });
    expect(settings.port).toBe(7075);
  });

  it('may be missing', () => {
    expect(readLocalSettings(folderWith({})).values.size).toBe(0);
  });

  it.each([
    ['{"IsEncrypted":true}', 'is encrypted'],
    ['{"Values":[]}', '"Values" must be an object'],
    ['{"Values":{"A":{"b":1}}}', '"Values" → "A" must be a text, found an object.'],
    ['nope', 'not valid JSON'],
  ])('%s is refused', (text, message) => {
    expect(() => readLocalSettings(folderWith({ 'local.settings.json': text }))).toThrow(message);
  });
});

describe('%NAME%', () => {
  it('is replaced wherever it stands', () => {
    expect(resolveSettingNames('x-%A%-%B%', { A: '1', B: '2' }, 'here')).toBe('x-1-2');
    expect(resolveSettingNames('100% sure', {}, 'here')).toBe('100% sure');
  });

  it('of a missing or empty setting is an error that says where', () => {
    expect(() => resolveSettingNames('%A%', { A: '' }, 'Timer function "t"')).toThrow(
      'Timer function "t": the app setting "A" (written %A%) is not set.',
    );
  });
});

describe('the data folder', () => {
  it('is held by one host at a time', () => {
    const path = join(folderWith({}), 'new', 'data');
    const first = holdDataFolder(path);
    const second = () => holdDataFolder(path);
    expect(second).toThrow(HostStartError);
    expect(second).toThrow(`another host (process ${process.pid}) holds this data folder. Stop that host, or give this one another folder`);
    first.release();
    second().release();
  });

  it('is free again when its holder is gone, even if the process id lives on', () => {
    const path = folderWith({});
    const gone = spawnSync(process.execPath, ['-e', '']).pid;
    for (const holder of [{ pid: gone, started: '1', token: 'a' }, { pid: process.pid, started: 'long ago', token: 'b' }, 'rubbish']) {
      writeFileSync(join(path, 'host.lock'), JSON.stringify(holder));
      const held = holdDataFolder(path);
      expect(JSON.parse(readFileSync(join(path, 'host.lock'), 'utf8'))).toMatchObject({ pid: process.pid });
      held.release();
    }
  });

  it('that cannot be made is a data failure with the reason', () => {
    const file = join(folderWith({ plain: '' }), 'plain');
    expect(() => holdDataFolder(join(file, 'data'))).toThrow(/the data folder cannot be used: ENOTDIR/);
  });
});
