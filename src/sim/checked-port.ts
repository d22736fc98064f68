/** What the frame check sequence of a real Ethernet does for those protocols that have no checksum of their own. */
import { discardFrame, type LinkPort } from '../link/index.ts';
import { readInt32, readUint16 } from '../wire/bytes.ts';
import { EtherType, type IpAddress, type MacAddress } from '../wire/index.ts';

/** Where ARP keeps the sender's addresses (RFC 826), from the start of an untagged frame. */
const SENDER_MAC = 22;
const SENDER_ADDRESS = 28;

/** A station whose ARP packets are genuine. */
export interface Station {
  readonly address: IpAddress;
  readonly macAddress: MacAddress;
}

/** Drops received ARP packets that damage has given a sender that does not exist; everything else passes. */
export class CheckedPort implements LinkPort {
  onReceive: (frame: Uint8Array) => void = discardFrame;
  private readonly inner: LinkPort;
  private readonly stations: readonly Station[];

  constructor(inner: LinkPort, stations: readonly Station[]) {
    this.inner = inner;
    this.stations = stations;
    inner.onReceive = (frame) => {
      if (this.isGenuine(frame)) this.onReceive(frame);
    };
  }

  get name(): string {
    return this.inner.name;
  }

  get mtu(): number {
    return this.inner.mtu;
  }

  send(frame: Uint8Array): void {
    this.inner.send(frame);
  }

  private isGenuine(frame: Uint8Array): boolean {
    if (frame.length < SENDER_ADDRESS + 4 || readUint16(frame, 12) !== EtherType.ARP) return true;
    const high = readUint16(frame, SENDER_MAC);
    const low = readInt32(frame, SENDER_MAC + 2);
    const address = readInt32(frame, SENDER_ADDRESS);
    return this.stations.some(
      ({ address: known, macAddress }) => known.word0 === address && macAddress.high === high && macAddress.low === low,
    );
  }
}
