import { describe, expect, it } from 'vitest';
import { openCifar } from '../src/cifar.js';
import { normalizationOf, proceduralImages } from '../src/index.js';
import { isolated, makeFiles, tiny10, tiny100, writeFiles } from './helpers.js';

const place = isolated();

describe('normalizationOf', () => {
  it.each([tiny10, tiny100])('knows $name without its files, as it is when opened', async (spec) => {
    const known = normalizationOf(spec.name);
    await writeFiles(place.folder, makeFiles(spec));
    const { name, mean, std } = await openCifar(spec, { root: place.folder });
    expect([name, known]).toEqual([spec.name, { mean, std }]);
  });

  it.each([16, 32])('knows procedural images of %d pixels', (size) => {
    const { name, mean, std } = proceduralImages({ size, train: 10, test: 10 });
    expect(normalizationOf(name)).toEqual({ mean, std });
  });

  it('says nothing of a set it does not know', () => {
    expect(normalizationOf('noise')).toBeUndefined();
  });
});
