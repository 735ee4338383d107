// Run by io.test.ts as a process of its own, to be killed in the middle of a write or to be refused by the system.
// Arguments: folder of the compiled modules, mode, target (for `save` a folder), and an option: for `stop` the number of chunks
// to write before it waits, for `save` the user to become.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [, , modules, mode, target, option = ''] = process.argv;
const load = (name) => import(pathToFileURL(`${modules}/io/${name}.js`).href);
const { writeFileAtomically } = await load('atomic');
const { writeSafetensors } = await load('safetensors');

const forever = () => new Promise((resolve) => setTimeout(resolve, 1e9));

const modes = {
  async stop() {
    await writeFileAtomically(target, async (handle) => {
      for (let chunk = 0; chunk < Number(option); chunk++) await handle.write(Buffer.alloc(65536, 'new'));
      console.log('waiting');
      await forever();
    });
  },
  async loop() {
    for (let generation = 1; ; generation++) {
      const data = new Float32Array(500_000).fill(generation);
      await writeSafetensors(target, [{ name: 'w', dtype: 'F32', shape: [500_000], data }], {
        generation: `${generation}`,
      });
      if (generation === 1) console.log('waiting');
    }
  },
  async save() {
    if (option !== '') process.setuid(Number(option));
    const data = new Float32Array(500_000);
    const { name, code, message } = await writeSafetensors(join(target, 'model.safetensors'), [
      { name: 'w', dtype: 'F32', shape: [500_000], data },
    ]).catch((error) => error);
    const files = await readdir(target);
    console.log(JSON.stringify({ error: { name, code, message }, files }));
  },
};

await modes[mode]();
