import type {
  ClientChimneyOffloadGenericCharacteristics,
  ClientChimneyOffloadTcpCharacteristics,
  MiniportDriverCharacteristics,
  ProtocolDriverCharacteristics,
  ProviderChimneyOffloadGenericCharacteristics,
  ProviderChimneyOffloadTcpCharacteristics,
  TcpOffloadEventHandlers,
} from './characteristics.ts';
import { createTcpOffloadEventHandlers } from './event-handlers.ts';
import { MiniportDriver } from './miniport-driver.ts';
import { ProtocolDriver } from './protocol-driver.ts';
import type { NdisStatus } from './status.ts';
import type { Verifier } from './verifier/verifier.ts';

/** What the objects of one NDIS share. Internal to this room. */
export interface NdisServices {
  readonly verifier: Verifier | null;
  readonly eventHandlers: TcpOffloadEventHandlers;
}

/**
 * The library between drivers: registers them, converts block lists, and routes every call. It holds no queue and no
 * clock: each call is passed on at once, inside the caller's call. With a verifier it checks the rules of the contract
 * at each crossing; without one that costs a test for null.
 */
export class Ndis {
  private readonly services: NdisServices;

  constructor(options: { readonly verifier?: Verifier | null } = {}) {
    const verifier = options.verifier ?? null;
    this.services = { verifier, eventHandlers: createTcpOffloadEventHandlers(verifier) };
  }

  /**
   * Registers a miniport driver, and lets it register its chimney tables (REG-01).
   *
   * @ddi NdisMRegisterMiniportDriver
   */
  registerMiniportDriver<A extends object>(characteristics: MiniportDriverCharacteristics<A>): MiniportDriver<A> {
    const driver = new MiniportDriver<A>(this.services, characteristics);
    this.services.verifier?.setOptionsBegin(driver);
    characteristics.setOptions?.(driver);
    this.services.verifier?.setOptionsEnd(driver);
    return driver;
  }

  /**
   * Registers a protocol driver, and lets it register its chimney tables (REG-04).
   *
   * @ddi NdisRegisterProtocolDriver
   */
  registerProtocolDriver<B extends object>(characteristics: ProtocolDriverCharacteristics<B>): ProtocolDriver<B> {
    const driver = new ProtocolDriver<B>(this.services, characteristics);
    this.services.verifier?.setOptionsBegin(driver);
    characteristics.setOptions?.(driver);
    this.services.verifier?.setOptionsEnd(driver);
    return driver;
  }

  /**
   * The same as the driver's method of that name.
   *
   * @ddi NdisSetOptionalHandlers
   */
  setOptionalHandlers<A extends object>(
    driver: MiniportDriver<A>,
    table: ProviderChimneyOffloadGenericCharacteristics<A> | ProviderChimneyOffloadTcpCharacteristics<A>,
  ): NdisStatus;
  setOptionalHandlers<B extends object>(
    driver: ProtocolDriver<B>,
    table: ClientChimneyOffloadGenericCharacteristics<B> | ClientChimneyOffloadTcpCharacteristics<B>,
  ): NdisStatus;
  setOptionalHandlers<X extends object>(
    driver: MiniportDriver<X> | ProtocolDriver<X>,
    table: (ProviderChimneyOffloadGenericCharacteristics<X> | ProviderChimneyOffloadTcpCharacteristics<X>) &
      (ClientChimneyOffloadGenericCharacteristics<X> | ClientChimneyOffloadTcpCharacteristics<X>),
  ): NdisStatus {
    return driver.setOptionalHandlers(table);
  }
}
