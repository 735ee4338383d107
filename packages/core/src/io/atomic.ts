import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { IoError } from '../errors.js';

/** One system call moves no more than this: the calls have limits near 2 GiB. */
export const MAX_TRANSFER_BYTES = 256 * 1024 * 1024;

/** What an error code of the operating system means for the user, and what to do. */
const explanations: Readonly<Record<string, string>> = {
  ENOSPC: 'no space is left on the device; free some space or choose another folder',
  EDQUOT: 'the disk quota is used up; free some space or choose another folder',
  EACCES: 'permission is denied; choose a folder you may use or change its permissions',
  EPERM: 'the operation is not permitted; choose a folder you may use or change its permissions',
  EROFS: 'the file system is read-only; choose a folder on a writable one',
  ENOENT: 'it, or the folder it lies in, does not exist; check the path and create the folder first',
  ENOTDIR: 'a part of its path is a file, not a folder; correct the path',
  EISDIR: 'it is a folder; give the name of a file',
  EFBIG: 'the file would be larger than allowed; raise the limit (ulimit -f) or choose another file system',
  EMFILE: 'too many files are open; close some or raise the limit (ulimit -n)',
  ENAMETOOLONG: 'the name is too long; choose a shorter one',
};

/** Turns an error of the operating system into an IoError that names `path` and the remedy; other errors pass unchanged. */
export function ioError(op: string, path: string, cause: unknown): unknown {
  if (!(cause instanceof Error) || cause instanceof IoError || !('syscall' in cause)) return cause;
  const { code = 'unknown' } = cause as NodeJS.ErrnoException;
  const explanation = explanations[code] ?? `${cause.message}; check the device and the path`;
  return new IoError(`${op}: ${path}: ${explanation} (${code})`, { op, cause });
}

/**
 * Replaces the file `path` by what `write` puts into the handle, or leaves it as it was: the bytes go to a temporary file in the
 * same folder (`.<name>.<unique>.tmp`), reach the disk, and are then renamed. After any failure the temporary is gone and the old
 * file intact; only a killed process can leave a temporary behind, which may be deleted. A symbolic link is replaced, not followed.
 *
 * Throws IoError where the operating system refuses; whatever else `write` throws is passed on.
 */
export async function writeFileAtomically(path: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path).slice(0, 40)}.${randomUUID()}.tmp`);
  try {
    await writeAndSync(temporary, write);
    await rename(temporary, path);
    await syncFolder(folder);
  } catch (cause) {
    // The first error is the one to report, not that of the removal.
    await rm(temporary, { force: true }).catch(() => {});
    throw ioError('writeFileAtomically', path, cause);
  }
}

/** Appends all bytes to a file. */
export async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, offset, Math.min(bytes.length - offset, MAX_TRANSFER_BYTES));
    offset += bytesWritten;
  }
}

async function writeAndSync(path: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    await write(handle);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Systems and folders that cannot be opened or synchronised as a file are served without this last guarantee. */
const cannotSyncFolder = new Set(['EINVAL', 'ENOTSUP', 'EISDIR', 'EPERM', 'EACCES']);

/** Makes a rename survive a power failure. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!cannotSyncFolder.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
