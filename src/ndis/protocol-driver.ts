import { NdisBinding } from './binding.ts';
import type {
  ClientChimneyOffloadGenericCharacteristics,
  ClientChimneyOffloadTcpCharacteristics,
  ProtocolDriverCharacteristics,
} from './characteristics.ts';
import { ChimneyOffloadType } from './events.ts';
import type { MiniportAdapter } from './miniport-adapter.ts';
import type { NdisServices } from './ndis.ts';
import { NdisStatus } from './status.ts';

/** A registered protocol driver: what NdisRegisterProtocolDriver returns. Created by `Ndis.registerProtocolDriver`. */
export class ProtocolDriver<B extends object = object> {
  readonly characteristics: ProtocolDriverCharacteristics<B>;
  /** The client tables, once registered (REG-05, REG-06). */
  genericClient: ClientChimneyOffloadGenericCharacteristics<B> | null = null;
  tcpClient: ClientChimneyOffloadTcpCharacteristics<B> | null = null;
  private readonly services: NdisServices;

  constructor(services: NdisServices, characteristics: ProtocolDriverCharacteristics<B>) {
    this.services = services;
    this.characteristics = characteristics;
  }

  /**
   * Registers one of the two client tables, from inside `setOptions` (REG-04). Returns BAD_CHARACTERISTICS for a table
   * that is not for protocols, or is not for TCP (REG-06).
   *
   * @ddi NdisSetOptionalHandlers
   */
  setOptionalHandlers(
    table: ClientChimneyOffloadGenericCharacteristics<B> | ClientChimneyOffloadTcpCharacteristics<B>,
  ): NdisStatus {
    this.services.verifier?.optionalHandlers(this, table);
    if ('initiateOffloadComplete' in table) this.genericClient = table;
    else if ('tcpOffloadSendComplete' in table && table.offloadType === ChimneyOffloadType.TCP) this.tcpClient = table;
    else return NdisStatus.BAD_CHARACTERISTICS;
    return NdisStatus.SUCCESS;
  }

  /** Whether chimney completions and indications can reach this driver (REG-08). */
  get chimneyRegistered(): boolean {
    return this.genericClient !== null && this.tcpClient !== null;
  }

  /**
   * Binds this driver to an adapter.
   *
   * @param protocolBindingContext what the driver's entry points receive first.
   * @throws Error when the adapter has been halted.
   * @ddi NdisOpenAdapterEx
   */
  openAdapter(adapter: MiniportAdapter, protocolBindingContext: B): NdisBinding<B> {
    if (adapter.halted) throw new Error(`cannot open the adapter ${adapter.name}: it was halted`);
    const binding = new NdisBinding<B>(this.services, this, adapter, protocolBindingContext);
    adapter.bindings.push(binding);
    return binding;
  }
}
