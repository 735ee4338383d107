import type { Severity } from '../names.js';
import type { Draws } from './draws.js';

/** Makes of an image, u8 [32][32][3], its corrupted copy. */
export type Corrupt = (image: Uint8Array, severity: Severity, draws: Draws) => Uint8Array;

/** One number per severity. */
export type BySeverity<T> = readonly [T, T, T, T, T];
export const at = <T>(values: BySeverity<T>, severity: Severity): T => values[severity - 1] as T;

/** 0..1 to bytes. The released files cut off what is behind the point; they do not round. */
export const toByte = (value: number): number => Math.trunc(255 * Math.min(1, Math.max(0, value)));

/** Changes every number of an image, taken as 0..1. */
export const mapped = (image: Uint8Array, change: (value: number, index: number) => number): Uint8Array =>
  Uint8Array.from(image, (byte, index) => toByte(change(byte / 255, index)));
