import type {
  MiniportDriverCharacteristics,
  ProviderChimneyOffloadGenericCharacteristics,
  ProviderChimneyOffloadTcpCharacteristics,
} from './characteristics.ts';
import { ChimneyOffloadType } from './events.ts';
import { MiniportAdapter } from './miniport-adapter.ts';
import type { NdisServices } from './ndis.ts';
import type { ProtocolDriver } from './protocol-driver.ts';
import { NdisStatus } from './status.ts';

/** Outcome of bringing an adapter up. */
export type InitializeAdapterResult<A extends object> =
  | { readonly status: typeof NdisStatus.SUCCESS; readonly adapter: MiniportAdapter<A> }
  | { readonly status: NdisStatus; readonly adapter: null };

/** A registered miniport driver: what NdisMRegisterMiniportDriver returns. Created by `Ndis.registerMiniportDriver`. */
export class MiniportDriver<A extends object = object> {
  readonly characteristics: MiniportDriverCharacteristics<A>;
  readonly adapters: MiniportAdapter<A>[] = [];
  /** The provider tables, once registered (REG-02, REG-03). */
  genericProvider: ProviderChimneyOffloadGenericCharacteristics<A> | null = null;
  tcpProvider: ProviderChimneyOffloadTcpCharacteristics<A> | null = null;
  /** The protocol edge of the same intermediate driver; null for an ordinary miniport driver. */
  protocolEdge: ProtocolDriver | null = null;
  private readonly services: NdisServices;

  constructor(services: NdisServices, characteristics: MiniportDriverCharacteristics<A>) {
    this.services = services;
    this.characteristics = characteristics;
  }

  /**
   * Registers one of the two provider tables, from inside `setOptions` (REG-01). Returns BAD_CHARACTERISTICS for a table
   * that is not for miniports, or is not for TCP (REG-03).
   *
   * @ddi NdisSetOptionalHandlers
   */
  setOptionalHandlers(
    table: ProviderChimneyOffloadGenericCharacteristics<A> | ProviderChimneyOffloadTcpCharacteristics<A>,
  ): NdisStatus {
    this.services.verifier?.optionalHandlers(this, table);
    if ('initiateOffload' in table) this.genericProvider = table;
    else if ('tcpOffloadSend' in table && table.offloadType === ChimneyOffloadType.TCP) this.tcpProvider = table;
    else return NdisStatus.BAD_CHARACTERISTICS;
    return NdisStatus.SUCCESS;
  }

  /**
   * Tells NDIS that this miniport driver and a protocol driver are the two edges of one intermediate driver; chimney
   * operations pass only when both registered chimney functions (REG-08).
   *
   * @ddi NdisIMAssociateMiniport
   */
  associateProtocol(protocol: ProtocolDriver): void {
    this.protocolEdge = protocol;
  }

  /** Whether chimney operations may reach this driver (REG-08). */
  get chimneyRegistered(): boolean {
    return (
      this.genericProvider !== null &&
      this.tcpProvider !== null &&
      (this.protocolEdge === null || this.protocolEdge.chimneyRegistered)
    );
  }

  /**
   * Creates an adapter and has the driver bring it up (MiniportInitializeEx).
   *
   * @param configuration what the driver reads as `adapter.configuration`.
   * @throws Error when the driver reports success without having set the adapter's attributes.
   */
  initializeAdapter(name: string, configuration: unknown = null): InitializeAdapterResult<A> {
    const verifier = this.services.verifier;
    const adapter = new MiniportAdapter<A>(this.services, this, name, configuration);
    verifier?.initializeBegin(adapter);
    const status = this.characteristics.initialize(adapter);
    verifier?.initializeEnd(adapter, status);
    if (status !== NdisStatus.SUCCESS) return { status, adapter: null };
    if (!adapter.hasAttributes) {
      throw new Error(`the driver ${this.characteristics.name} initialized ${name} without setMiniportAttributes`);
    }
    this.adapters.push(adapter);
    return { status, adapter };
  }
}
