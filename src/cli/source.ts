/** The bytes that the demonstration serves: a file, or reproducible noise. */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { Random } from '../link/index.ts';
import { describeSystemError, UsageError } from './errors.ts';

/** Bytes that can be read piece by piece, from the start. */
export interface ByteSource {
  readonly name: string;
  readonly size: number;
  /** The next `length` bytes; fewer only at the end. The buffer is the caller's. */
  next(length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Opens a regular file. @throws UsageError when there is none that can be read. */
export async function openFileSource(path: string): Promise<ByteSource> {
  let handle: FileHandle;
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw new UsageError(`${path} is a directory: name a file.`);
    // Devices and pipes have no size that could be promised, and opening a pipe waits for its other end.
    if (!found.isFile()) throw new UsageError(`${path} is not a regular file: name one.`);
    handle = await open(path, 'r');
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(describeSystemError(error, path));
  }
  const { size } = await handle.stat();
  let position = 0;
  return {
    name: path,
    size,
    async next(length) {
      const buffer = new Uint8Array(Math.min(length, size - position));
      let filled = 0;
      while (filled < buffer.length) {
        const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, position + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      position += filled;
      return buffer.subarray(0, filled);
    },
    close: () => handle.close(),
  };
}

/** `size` bytes of noise that a seed determines. */
export function createNoiseSource(size: number, seed: number): ByteSource {
  const random = new Random(seed);
  let position = 0;
  return {
    name: 'noise',
    size,
    next(length) {
      const count = Math.min(length, size - position);
      const words = new Uint32Array((count + 3) >> 2);
      for (let i = 0; i < words.length; i++) words[i] = random.int32();
      position += count;
      return Promise.resolve(new Uint8Array(words.buffer, 0, count));
    },
    close: () => Promise.resolve(),
  };
}
