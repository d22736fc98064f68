/**
 * The system calls that Node has no function for, as functions of libc. All foreign-function calls of the project are here
 * and in the readiness worker.
 */
import { getSystemErrorName } from 'node:util';
import koffi from 'koffi';

/** A system call that failed: the call, the errno name, and what it concerned. */
export class SystemCallError extends Error {
  /** Name of the error number, for example `EPERM`. */
  readonly code: string;
  /** The errno value. */
  readonly errno: number;
  /** Name of the call, with its request where it has one. */
  readonly syscall: string;
  /** What the call was about: a path, the name of an interface. */
  readonly concerning: string;

  constructor(syscall: string, errno: number, concerning: string) {
    const code = errorName(errno);
    super(`${syscall} failed for ${concerning}: ${code}`);
    this.name = 'SystemCallError';
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
    this.concerning = concerning;
  }
}

/** The name of an errno value; `errno 133` for one that nobody has named. */
export function errorName(errno: number): string {
  // libuv, whose names Node has, does not know this one.
  if (errno === Errno.EBADFD) return 'EBADFD';
  const name = getSystemErrorName(-errno);
  return name.startsWith('E') ? name : `errno ${errno}`;
}

/** The errno of the last call of this thread that failed. */
export function lastErrno(): number {
  return koffi.errno();
}

const library = koffi.load(null);

/** `read(2)` into `buffer`: bytes read, or -1 with `lastErrno`. */
export const read = library.func('read', 'intptr_t', ['int', 'void *', 'size_t']) as (
  fd: number,
  buffer: Uint8Array,
  length: number,
) => number;

/** `write(2)` of the first `length` bytes of `buffer`: bytes written, or -1 with `lastErrno`. */
export const write = library.func('write', 'intptr_t', ['int', 'void *', 'size_t']) as (
  fd: number,
  buffer: Uint8Array,
  length: number,
) => number;

// ioctl is variadic in C; the one optional argument is passed like a named one on every Linux that Node runs on.
const ioctlPointer = library.func('ioctl', 'int', ['int', 'ulong', 'void *']) as (
  fd: number,
  request: number,
  argument: Uint8Array,
) => number;
const ioctlValue = library.func('ioctl', 'int', ['int', 'ulong', 'ulong']) as (
  fd: number,
  request: number,
  argument: number,
) => number;
const socketCall = library.func('socket', 'int', ['int', 'int', 'int']) as (
  domain: number,
  type: number,
  protocol: number,
) => number;
const closeCall = library.func('close', 'int', ['int']) as (fd: number) => number;
const eventfdCall = library.func('eventfd', 'int', ['uint', 'int']) as (value: number, flags: number) => number;
const epollCreateCall = library.func('epoll_create1', 'int', ['int']) as (flags: number) => number;
const epollCtlCall = library.func('epoll_ctl', 'int', ['int', 'int', 'int', 'void *']) as (
  epoll: number,
  operation: number,
  fd: number,
  event: Uint8Array,
) => number;

function checked(result: number, syscall: string, concerning: string): number {
  if (result < 0) throw new SystemCallError(syscall, lastErrno(), concerning);
  return result;
}

/** `ioctl(2)` with a structure, which the kernel may fill. @throws SystemCallError */
export function ioctl(fd: number, request: number, name: string, argument: Uint8Array, concerning: string): void {
  checked(ioctlPointer(fd, request, argument), `ioctl ${name}`, concerning);
}

/** `ioctl(2)` with a plain number. @throws SystemCallError */
export function ioctlNumber(fd: number, request: number, name: string, argument: number, concerning: string): void {
  checked(ioctlValue(fd, request, argument), `ioctl ${name}`, concerning);
}

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;

/** A datagram socket, through which interfaces are configured. @throws SystemCallError */
export function configurationSocket(concerning: string): number {
  return checked(socketCall(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), 'socket', concerning);
}

/** `close(2)`; failures mean nothing here. */
export function close(fd: number): void {
  closeCall(fd);
}

const EFD_CLOEXEC = 0o2000000;
const EPOLL_CLOEXEC = 0o2000000;

/** `eventfd(2)` with the counter 0. @throws SystemCallError */
export function eventfd(concerning: string): number {
  return checked(eventfdCall(0, EFD_CLOEXEC), 'eventfd', concerning);
}

/** `epoll_create1(2)`. @throws SystemCallError */
export function epollCreate(concerning: string): number {
  return checked(epollCreateCall(EPOLL_CLOEXEC), 'epoll_create1', concerning);
}

/** Operations and events of epoll. */
export const Epoll = { ADD: 1, MOD: 3, IN: 0x001, ONESHOT: 0x4000_0000 } as const;

/** Where `struct epoll_event` has its data: it is packed on x86-64 only. */
export const EPOLL_DATA_OFFSET = process.arch === 'x64' ? 4 : 8;
/** Bytes of `struct epoll_event`. */
export const EPOLL_EVENT_BYTES = EPOLL_DATA_OFFSET + 8;

/** An event structure that carries `fd` as its data. */
export function epollEvent(events: number, fd: number): Uint8Array {
  const bytes = new Uint8Array(EPOLL_EVENT_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, events, LITTLE_ENDIAN);
  view.setInt32(EPOLL_DATA_OFFSET, fd, LITTLE_ENDIAN);
  return bytes;
}

/** `epoll_ctl(2)`. @throws SystemCallError */
export function epollControl(epoll: number, operation: number, fd: number, event: Uint8Array): void {
  checked(epollCtlCall(epoll, operation, fd, event), 'epoll_ctl', `file descriptor ${fd}`);
}

/** Whether this machine has the byte order of x86-64 and of nearly everything else. */
export const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Error numbers that are told apart here (the same on all architectures that Node runs on). */
export const Errno = { EPERM: 1, EINTR: 4, EIO: 5, EAGAIN: 11, EBADFD: 77 } as const;
