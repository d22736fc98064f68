/** The ordinary (non-offload) path: frames of everything that is not offloaded, both ways. */
import {
  contiguousBytes,
  type MiniportAdapter,
  type NetBuffer,
  type NetBufferList,
  NetBufferListPool,
  netBufferListsOf,
} from '../../ndis/index.ts';
import { EtherType, VLAN_TAG_LENGTH, writeUint16 } from '../../wire/index.ts';
import type { ToNic } from '../messages.ts';

/** Where the EtherType, or the tag, begins. */
const TAG_OFFSET = 12;

export class OrdinaryPath {
  /** Lists of ordinary indications; it has no other use (REG-13). */
  readonly receivePool = new NetBufferListPool();
  private readonly adapter: MiniportAdapter;
  private readonly post: (message: ToNic) => void;
  /** Sent lists that wait for their completion, oldest first. */
  private sent: NetBufferList | null = null;
  private sentLast: NetBufferList | null = null;

  constructor(adapter: MiniportAdapter, post: (message: ToNic) => void) {
    this.adapter = adapter;
    this.post = post;
  }

  /** Whether sends wait to be completed. */
  get hasWork(): boolean {
    return this.sent !== null;
  }

  /** Sends every frame of the lists. The frames are referenced and not written again before their lists complete. */
  send(head: NetBufferList): void {
    for (const list of netBufferListsOf(head)) {
      for (let buffer: NetBuffer | null = list.firstNetBuffer; buffer !== null; buffer = buffer.next) {
        const frame = contiguousBytes(buffer);
        this.post({
          kind: 'frameDown',
          frame: tagged(frame, list.vlanId, list.userPriority),
          segmentSize: list.tcpLargeSendMss,
        });
      }
      if (this.sentLast === null) this.sent = list;
      else this.sentLast.next = list;
      this.sentLast = list;
    }
  }

  /** Takes what was sent until now and is not completed. */
  takeSent(): NetBufferList | null {
    const { sent } = this;
    this.sent = null;
    this.sentLast = null;
    return sent;
  }

  /** Completes lists that `takeSent` has answered. */
  complete(sent: NetBufferList): void {
    this.adapter.sendNetBufferListsComplete(sent);
  }

  /** A received frame, unchanged. */
  indicate(frame: Uint8Array, checksumValid: boolean): void {
    const list = this.receivePool.allocate(frame);
    list.tcpChecksumSucceeded = checksumValid;
    this.adapter.indicateReceiveNetBufferLists(list, 1);
  }

  return(head: NetBufferList): void {
    this.receivePool.freeChain(head);
  }
}

/** The frame with the tag that its list asks for out of band (Ieee8021QNetBufferListInfo). */
function tagged(frame: Uint8Array, vlanId: number, userPriority: number): Uint8Array {
  if ((vlanId | userPriority) === 0 || frame.length < TAG_OFFSET) return frame;
  const copy = new Uint8Array(frame.length + VLAN_TAG_LENGTH);
  copy.set(frame.subarray(0, TAG_OFFSET));
  writeUint16(copy, TAG_OFFSET, EtherType.VLAN);
  writeUint16(copy, TAG_OFFSET + 2, (userPriority << 13) | (vlanId & 0x0fff));
  copy.set(frame.subarray(TAG_OFFSET), TAG_OFFSET + VLAN_TAG_LENGTH);
  return copy;
}
