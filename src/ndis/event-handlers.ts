/**
 * The six functions of NDIS_TCP_OFFLOAD_EVENT_HANDLERS (REG-12). They are made once per NDIS; a call allocates nothing.
 *
 * Completions find the driver above through the adapter, because a list that passes an intermediate driver carries no
 * way back (spec/ddi.md 3) and only one protocol at a time has an adapter's chimney enabled (OID-12). Indications find it
 * through the handle.
 */
import type { NdisBinding } from './binding.ts';
import type {
  ClientChimneyOffloadTcpCharacteristics,
  TcpOffloadCompletion,
  TcpOffloadEventHandlers,
} from './characteristics.ts';
import type { MiniportAdapter } from './miniport-adapter.ts';
import { TCP_OFFLOAD_EVENT_HANDLERS_HEADER } from './object-header.ts';
import type { NdisOffloadHandle } from './offload-handle.ts';
import { DataRequest } from './operations.ts';
import { RuleViolation } from './verifier/rule-violation.ts';
import type { Verifier } from './verifier/verifier.ts';

/** The table that `MiniportAdapter.getOffloadHandlers` hands out. */
export function createTcpOffloadEventHandlers(verifier: Verifier | null): TcpOffloadEventHandlers {
  return Object.freeze<TcpOffloadEventHandlers>({
    header: TCP_OFFLOAD_EVENT_HANDLERS_HEADER,

    tcpOffloadEventHandler(handle, eventType, information) {
      verifier?.tcpEventBegin(handle, eventType, information);
      clientOf(bindingOf(handle)).tcpOffloadEvent(handle, eventType, information);
      verifier?.tcpEventEnd(handle);
    },

    tcpOffloadReceiveHandler(handle, list, status, bytesConsumed) {
      bytesConsumed.value = 0;
      verifier?.receiveIndicateBegin(handle, list, status);
      const client = clientOf(bindingOf(handle));
      const result = client.tcpOffloadReceiveIndicate(handle, list, status, bytesConsumed);
      verifier?.receiveIndicateEnd(handle, list, result, bytesConsumed);
      return result;
    },

    tcpOffloadSendComplete: completion(verifier, DataRequest.SEND, (client, context, list) =>
      client.tcpOffloadSendComplete(context, list),
    ),
    tcpOffloadReceiveComplete: completion(verifier, DataRequest.RECEIVE, (client, context, list) =>
      client.tcpOffloadReceiveComplete(context, list),
    ),
    tcpOffloadDisconnectComplete: completion(verifier, DataRequest.DISCONNECT, (client, context, list) =>
      client.tcpOffloadDisconnectComplete(context, list),
    ),
    tcpOffloadForwardComplete: completion(verifier, DataRequest.FORWARD, (client, context, list) =>
      client.tcpOffloadForwardComplete(context, list),
    ),
  });
}

function completion(
  verifier: Verifier | null,
  request: DataRequest,
  deliver: (
    client: ClientChimneyOffloadTcpCharacteristics,
    context: object,
    list: Parameters<TcpOffloadCompletion>[1],
  ) => void,
): TcpOffloadCompletion {
  return (adapter, list) => {
    verifier?.dataCompleteBegin(request, adapter, list);
    const binding = chimneyBindingOf(adapter);
    deliver(clientOf(binding), binding.protocolBindingContext, list);
    verifier?.dataCompleteEnd(request, adapter);
  };
}

/** The binding that an indication for this handle goes to. */
function bindingOf(handle: NdisOffloadHandle): NdisBinding {
  const binding = handle.ndisReserved;
  if (binding === null) throw new RuleViolation('CTX-08', 'an indication names a handle of no offloaded object');
  return binding;
}

function chimneyBindingOf(adapter: MiniportAdapter): NdisBinding {
  const binding = adapter.chimneyBinding;
  if (binding === null) {
    throw new RuleViolation('REG-15', `a completion names the adapter ${adapter.name}, on which no offload is enabled`);
  }
  return binding;
}

function clientOf(binding: NdisBinding): ClientChimneyOffloadTcpCharacteristics {
  const client = binding.protocol.tcpClient;
  if (client === null) throw new RuleViolation('REG-06', 'the driver above registered no TCP client table');
  return client;
}
