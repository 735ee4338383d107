import { ConfigError, type Layout, type Mask, type SparseLayer, streamKey } from '@s2sam/core';
import { describe, expect, it } from 'vitest';
import { rules, staticRandom, uniform } from '../src/index.js';
import { contextOf, layer } from './networks.js';

/** Layers whose masks write down what is asked of them. */
function recorded(shapes: Record<string, readonly number[]>) {
  const asked: unknown[][] = [];
  const layers = Object.entries(shapes).map(([name, shape]) => {
    const mask = {
      fill: (...args: unknown[]) => void asked.push([name, 'fill', ...args]),
      random: (...args: unknown[]) => void asked.push([name, 'random', ...args]),
    };
    return { ...layer(name, shape), mask: mask as unknown as Mask } as SparseLayer;
  });
  const context = contextOf(layers, { seed: 7 });
  return { asked, context };
}

const giving = (counts: Record<string, number>): Layout => ({
  name: 'given',
  allocate: () => new Map(Object.entries(counts)),
});

describe('staticRandom', () => {
  it('draws as many weights as the layout says, with a key per layer, and fills full layers', async () => {
    const { asked, context } = recorded({ a: [10, 10], b: [20, 20], c: [4, 4] });
    const strategy = staticRandom({ density: 0.25, layout: uniform({ dense: rules.named('c.weight') }) });
    await strategy.init(context);
    expect(asked).toEqual([
      ['a', 'random', 25, streamKey(7, 'mask/a.weight')],
      ['b', 'random', 100, streamKey(7, 'mask/b.weight')],
      ['c', 'fill', true],
    ]);
    expect(streamKey(7, 'mask/a.weight')).not.toEqual(streamKey(7, 'mask/b.weight'));
  });

  it('has the layout in its name, ERK by default, and never changes its masks', () => {
    expect(staticRandom({ density: 0.1 }).name).toBe('static(erk)');
    expect(staticRandom({ density: 0.1, layout: uniform({ dense: rules.stem }) }).name).toBe('static(uniform(stem))');
    expect(staticRandom({ density: 0.1 })).not.toHaveProperty('update');
  });

  it.each([0, -1, 1.5, Number.NaN])('refuses the density %d at once', (density) => {
    expect(() => staticRandom({ density })).toThrow(ConfigError);
    expect(() => staticRandom({ density })).toThrow(`static(erk): density is ${density}`);
  });

  it.each([
    [0, "layer 'b.weight' would lose all of its 16 weights; raise the density"],
    [1.5, "layer 'b.weight' is to keep 1.5 of its 16 weights"],
    [17, "layer 'b.weight' is to keep 17 of its 16 weights"],
    [undefined, "layer 'b.weight' is to keep undefined of its 16 weights"],
  ])('refuses a layout that keeps %s weights, before it touches a mask', (kept, message) => {
    const { asked, context } = recorded({ a: [4, 4], b: [4, 4] });
    const layout = giving({ 'a.weight': 3, ...(kept === undefined ? {} : { 'b.weight': kept }) });
    const strategy = staticRandom({ density: 0.1, layout });
    expect(() => strategy.init(context)).toThrow(ConfigError);
    expect(() => strategy.init(context)).toThrow(message);
    expect(asked).toEqual([]);
  });
});
