/** Descriptors that are no sockets: files, which hold zeros without end, and pipes, of which only the number of bytes counts. */

export class OpenFile {
  readonly kind = 'file';

  /** Files are always ready and nobody waits for them. */
  get readiness(): number {
    return 0;
  }
}

/** Bytes that both ends of a pipe share. */
export class PipeContents {
  bytes = 0;
}

/** One end of a pipe. */
export class PipeEnd {
  readonly kind = 'pipe';
  readonly contents: PipeContents;

  constructor(contents: PipeContents) {
    this.contents = contents;
  }

  get readiness(): number {
    return 0;
  }
}
