/** What a connection tells of itself, by the names of Linux (TCP_INFO): owned by the host, offloaded, moving, over. */
import { describe, expect, it } from 'vitest';
import { type TcpInfo, TcpInfoOption, TcpInfoState } from '../../src/host/index.ts';
import { SlowChannel } from './slow-channel.ts';
import { type HostSetup, type Peer, pattern, sendAll, World } from './world.ts';

const NO_POLICY: HostSetup = { stack: { offloadPolicy: 'never' } };

function ask(world: World, peer: Peer): TcpInfo {
  let info: TcpInfo | null = null;
  peer.connection.queryInfo((answer) => {
    info = answer;
  });
  expect(info, 'answers come from within advance').toBeNull();
  world.until(() => info !== null, 1000);
  return info as unknown as TcpInfo;
}

describe('a connection of the host', () => {
  it('counts what it sends and receives', () => {
    const world = new World({ a: NO_POLICY, b: NO_POLICY });
    const { client, server } = world.connect(80);
    sendAll(client.connection, pattern(14_480), 1448);
    world.run(500);
    const info = client.connection.info();
    expect(info).toMatchObject({
      tcpi_state: TcpInfoState.ESTABLISHED,
      tcpi_options: TcpInfoOption.TIMESTAMPS | TcpInfoOption.SACK | TcpInfoOption.WSCALE,
      tcpi_snd_mss: 1448,
      tcpi_pmtu: 1500,
      tcpi_unacked: 0,
      tcpi_bytes_acked: 14_480,
      tcpi_bytes_sent: 14_480,
      tcpi_bytes_received: 0,
      tcpi_data_segs_out: 10,
      tcpi_data_segs_in: 0,
      tcpi_delivered: 11, // with the SYN
      tcpi_total_retrans: 0,
      tcpi_bytes_retrans: 0,
      tcpi_notsent_bytes: 0,
      tcpi_ca_state: 0,
    });
    // SYN, ACK, ten segments; the answers to the ACKs' SYN-ACK are not counted twice.
    expect(info?.tcpi_segs_out).toBe(12);
    expect(info?.tcpi_rtt).toBeGreaterThanOrEqual(2000);
    expect(info?.tcpi_busy_time).toBeGreaterThan(0);
    expect(info?.tcpi_busy_time).toBeLessThan(100_000);
    const other = server.connection.info();
    expect(other).toMatchObject({ tcpi_bytes_received: 14_480, tcpi_data_segs_in: 10, tcpi_data_segs_out: 0 });
    expect(other?.tcpi_segs_in).toBe(11); // the ACK of the handshake, ten segments
    expect(ask(world, client)).toMatchObject({ tcpi_state: TcpInfoState.ESTABLISHED, tcpi_data_segs_out: 10 });
  });

  it('counts retransmissions, and says what is outstanding', () => {
    const world = new World({ a: NO_POLICY, b: NO_POLICY });
    const { client } = world.connect(80);
    world.wire.aToB.configure({ loss: 1 });
    client.connection.send(pattern(2896));
    world.run(1);
    expect(client.connection.info()).toMatchObject({ tcpi_unacked: 2, tcpi_retransmits: 0, tcpi_delivered: 1 });
    world.run(1500);
    const info = client.connection.info() as Required<TcpInfo>;
    expect(info.tcpi_retransmits).toBeGreaterThan(0);
    expect(info.tcpi_total_retrans).toBeGreaterThan(0);
    expect(info.tcpi_bytes_retrans).toBeGreaterThan(0);
    expect(info.tcpi_rto).toBeGreaterThanOrEqual(400_000);
    expect(info.tcpi_ca_state).toBe(4);
    expect(info.tcpi_busy_time).toBeGreaterThan(1_400_000);
  });

  it('tells of ECN', () => {
    const parameters = { ecn: 'request' } as const;
    const world = new World({
      a: { stack: { parameters } },
      wire: { both: { delayMicroseconds: 1000, congestion: 1 } },
    });
    const { client, server } = world.connect(80);
    client.connection.send(pattern(100_000));
    world.run(10);
    const info = client.connection.info() as Required<TcpInfo>;
    expect(info.tcpi_options & TcpInfoOption.ECN).toBe(TcpInfoOption.ECN);
    expect(info.tcpi_ca_state).toBe(2);
    expect(info.tcpi_delivered_ce).toBeGreaterThan(0);
    expect((server.connection.info() as Required<TcpInfo>).tcpi_options & TcpInfoOption.ECN_SEEN).not.toBe(0);
  });

  it('says of one that is over nothing but that', () => {
    const world = new World();
    const { client } = world.connect(80);
    client.connection.abort();
    world.run(10);
    expect(client.connection.info()).toEqual({ tcpi_state: TcpInfoState.CLOSE });
    expect(ask(world, client)).toEqual({ tcpi_state: TcpInfoState.CLOSE });
  });
});

describe('an offloaded connection', () => {
  it('answers by a query of the contract, without what that does not carry', () => {
    const world = new World();
    const { client, server } = world.connect(80);
    sendAll(client.connection, pattern(14_480), 1448);
    world.run(500);
    const before = client.connection.info() as Required<TcpInfo>;
    world.move(client, 'offload');
    expect(client.connection.info()).toBeNull();
    const info = ask(world, client);
    for (const name of ['tcpi_snd_mss', 'tcpi_rcv_mss', 'tcpi_pmtu', 'tcpi_snd_cwnd', 'tcpi_snd_ssthresh'] as const) {
      expect(info[name], name).toBe(before[name]);
    }
    for (const name of ['tcpi_snd_wnd', 'tcpi_rcv_wnd', 'tcpi_bytes_acked', 'tcpi_rto', 'tcpi_options'] as const) {
      expect(info[name], name).toBe(before[name]);
    }
    expect(Math.abs((info.tcpi_rtt ?? 0) - before.tcpi_rtt)).toBeLessThan(130); // an eighth of a tick
    for (const name of ['tcpi_segs_in', 'tcpi_sacked', 'tcpi_ca_state', 'tcpi_busy_time', 'tcpi_min_rtt'] as const) {
      expect(info[name], name).toBeUndefined();
    }
    server.connection.send(pattern(100));
    world.run(100);
    expect(ask(world, client).tcpi_bytes_received).toBe(100);
  });

  it('takes its counters along, and brings them back', () => {
    const world = new World();
    const { client } = world.connect(80);
    world.run(100); // the clock of the adapter begins ahead and stands still at first
    for (let round = 1; round <= 3; round++) {
      world.move(client, 'offload');
      sendAll(client.connection, pattern(14_480), 1448);
      world.run(500);
      world.move(client, 'upload');
      const info = client.connection.info() as Required<TcpInfo>;
      expect(info.tcpi_data_segs_out).toBe(10 * round);
      expect(info.tcpi_delivered).toBe(10 * round + 1);
      expect(info.tcpi_busy_time).toBeGreaterThan(0);
    }
  });

  it('several questions at once, and while it moves, are all answered', () => {
    let world: World | null = null;
    const now = (): number => (world === null ? 0 : world.now);
    world = new World({ a: { adapter: { channel: () => new SlowChannel(now, () => 20_000) } } });
    const { client } = world.connect(80);
    const states: number[] = [];
    const question = (): void => client.connection.queryInfo(({ tcpi_state }) => states.push(tcpi_state));
    client.connection.offload();
    world.run(1);
    expect(client.connection.owner).toBe('offloading');
    question();
    world.run(100);
    expect(client.connection.owner).toBe('offloaded');
    question();
    question();
    world.run(1);
    question();
    client.connection.upload();
    world.run(30);
    question();
    world.run(300);
    expect(client.connection.owner).toBe('host');
    expect(states).toEqual(new Array(5).fill(TcpInfoState.ESTABLISHED));
  });
});
