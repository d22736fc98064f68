/** REG: what drivers register, and when. */

import { ChimneyOffloadType } from '../events.ts';
import type { MiniportAdapter } from '../miniport-adapter.ts';
import { MiniportDriver } from '../miniport-driver.ts';
import type { ProtocolDriver } from '../protocol-driver.ts';
import { NdisStatus } from '../status.ts';
import { type VerifiedRule, violate } from './verified-rules.ts';
import type { OptionalHandlers } from './verifier.ts';

type Driver = MiniportDriver | ProtocolDriver;

const PROVIDER_GENERIC = ['initiateOffload', 'terminateOffload', 'updateOffload', 'invalidateOffload', 'queryOffload'];
const PROVIDER_TCP = [
  'tcpOffloadSend',
  'tcpOffloadReceive',
  'tcpOffloadDisconnect',
  'tcpOffloadForward',
  'tcpOffloadReceiveReturn',
];
const CLIENT_GENERIC = [
  'initiateOffloadComplete',
  'terminateOffloadComplete',
  'updateOffloadComplete',
  'invalidateOffloadComplete',
  'queryOffloadComplete',
  'indicateOffloadEvent',
];
const CLIENT_TCP = [
  'tcpOffloadSendComplete',
  'tcpOffloadReceiveComplete',
  'tcpOffloadDisconnectComplete',
  'tcpOffloadForwardComplete',
  'tcpOffloadEvent',
  'tcpOffloadReceiveIndicate',
];

/** Bytes of a table: header and Flags, OffloadType for a TCP table, and a pointer for each entry point (x64). */
function tableSize(entries: readonly string[], tcp: boolean): number {
  return 8 + (tcp ? 8 : 0) + 8 * entries.length;
}

/** The registration calls under way. */
export class RegistrationRules {
  private setting: { driver: Driver; generic: number; tcp: number } | null = null;
  private initializing: { adapter: MiniportAdapter; types: Set<number> } | null = null;

  setOptionsBegin(driver: Driver): void {
    this.setting = { driver, generic: 0, tcp: 0 };
  }

  /** REG-01, REG-04: both tables once each, or none for a driver without chimney functions. */
  setOptionsEnd(driver: Driver): void {
    const setting = this.setting;
    this.setting = null;
    if (setting === null || setting.generic === setting.tcp) return;
    violate(onceRule(driver), `${nameOf(driver)} registered only one of its two chimney tables`);
  }

  optionalHandlers(driver: Driver, table: OptionalHandlers): void {
    const once = onceRule(driver);
    const setting = this.setting;
    if (setting === null || setting.driver !== driver) {
      violate(once, `${nameOf(driver)} registered a chimney table outside of its SetOptions function`);
    }
    const tcp = 'offloadType' in table;
    if (tcp) setting.tcp++;
    else setting.generic++;
    if ((tcp ? setting.tcp : setting.generic) > 1) violate(once, `${nameOf(driver)} registered the same table twice`);
    if (driver instanceof MiniportDriver) {
      if (tcp) checkTable('REG-03', driver, table, PROVIDER_TCP, true);
      else checkTable('REG-02', driver, table, PROVIDER_GENERIC, false);
    } else if (tcp) checkTable('REG-06', driver, table, CLIENT_TCP, true);
    else checkTable('REG-05', driver, table, CLIENT_GENERIC, false);
  }

  initializeBegin(adapter: MiniportAdapter): void {
    this.initializing = { adapter, types: new Set() };
  }

  /** REG-09: a driver that registered chimney functions asks for the handlers while it initializes. */
  initializeEnd(adapter: MiniportAdapter, status: NdisStatus): void {
    const initializing = this.initializing;
    this.initializing = null;
    if (initializing === null || status !== NdisStatus.SUCCESS || adapter.driver.genericProvider === null) return;
    if (!initializing.types.has(ChimneyOffloadType.TCP)) {
      violate(
        'REG-09',
        `${nameOf(adapter.driver)} initialized ${adapter.name} without asking for the offload handlers`,
      );
    }
  }

  getOffloadHandlers(adapter: MiniportAdapter, type: number): void {
    if (this.initializing === null || this.initializing.adapter !== adapter) {
      violate('REG-09', `${nameOf(adapter.driver)} asked for offload handlers outside of MiniportInitializeEx`);
    }
    if (this.initializing.types.has(type)) {
      violate('REG-09', `${nameOf(adapter.driver)} asked twice for the handlers of chimney type ${type}`);
    }
    this.initializing.types.add(type);
  }
}

function checkTable(
  rule: VerifiedRule,
  driver: Driver,
  table: OptionalHandlers,
  entries: readonly string[],
  tcp: boolean,
): void {
  const members = new Map(entries.map((entry) => [entry, (table as unknown as Record<string, unknown>)[entry]]));
  for (const [entry, member] of members) {
    if (typeof member !== 'function') violate(rule, `${nameOf(driver)} registered a table without ${entry}`);
  }
  if (tcp && 'offloadType' in table && table.offloadType !== ChimneyOffloadType.TCP) {
    violate(rule, `${nameOf(driver)} registered a TCP table with OffloadType ${table.offloadType}`);
  }
  if (table.header.revision < 1 || table.header.size !== tableSize(entries, tcp)) {
    violate('REG-07', `${nameOf(driver)} registered a table whose header gives a wrong revision or size`);
  }
}

function onceRule(driver: Driver): VerifiedRule {
  return driver instanceof MiniportDriver ? 'REG-01' : 'REG-04';
}

function nameOf(driver: Driver): string {
  return driver.characteristics.name;
}
