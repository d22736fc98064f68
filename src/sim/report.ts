/** What came out of a simulation. */

/** Plain data. */
export interface SimulationReport {
  readonly seed: number;
  /** Bytes of the application that arrived, by direction. */
  readonly bytesAToB: number;
  readonly bytesBToA: number;
  readonly connections: number;
  /** Moves of all connections, by cause of any kind. */
  readonly movesDown: number;
  readonly movesUp: number;
  readonly movesRefused: number;
  /** Segments sent again by hosts and targets. */
  readonly retransmissions: number;
  /** When the last application was done, and when everything was at rest: seconds of true time. */
  readonly doneAt: number;
  readonly restAt: number;
  /** Steps of the simulation: advances and actions. */
  readonly steps: number;
  /** Entries of the trace, and a hash of all of them: equal runs have equal hashes. */
  readonly events: number;
  readonly traceHash: string;
  /** How often each thing happened that a thousand runs should have seen. */
  readonly coverage: Readonly<Record<string, number>>;
}
