import type { Device } from '@s2sam/core';

/** What of a device's memory must return to where it began: everything but what is kept for reuse. */
export function living(device: Device) {
  const { active, tensors, masks, graphs } = device.memory();
  return { active, tensors, masks, graphs };
}
