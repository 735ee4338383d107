import { type Device, devices, openDevice } from '@s2sam/core';
import { afterAll, describe, expect, it } from 'vitest';

/** Kinds of devices to test on; S2SAM_TEST_DEVICES names one, default all. */
const wanted = process.env.S2SAM_TEST_DEVICES;

/**
 * Stamps the tests of `body` once per usable device. Where a kind of device is not there, one skipped test says so. At the end no
 * tensor, mask or recorded step may be left on the device.
 */
export function eachDevice(name: string, body: (device: Device) => void): void {
  for (const { id, kind, usable } of devices()) {
    if (wanted !== undefined && kind !== wanted) continue;
    if (!usable) {
      describe(`${name} on ${kind}`, () => it.skip(`skipped: no ${kind.toUpperCase()} device`));
      continue;
    }
    describe(`${name} on ${id}`, async () => {
      const device = await openDevice(id);
      body(device);
      afterAll(async () => {
        await device.synchronize();
        const { tensors, masks, graphs } = device.memory();
        await device[Symbol.asyncDispose]();
        expect({ tensors, masks, graphs }, `left on ${id} by the tests of ${name}`).toEqual({
          tensors: 0,
          masks: 0,
          graphs: 0,
        });
      });
    });
  }
}
