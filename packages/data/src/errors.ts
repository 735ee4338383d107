import { DataError } from '@s2sam/core';

/** A data set that is neither on this machine nor could be downloaded. The message names the places looked at and what to do. */
export class DatasetUnavailableError extends DataError {}
