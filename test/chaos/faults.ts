/** What is done to an ensemble in a round. Each fault ends by itself; {@link settle} puts back whatever it left behind. */
import { setTimeout as delay } from "node:timers/promises";
import type { Prng } from "../../core/base/prng.ts";
import { CLIENTS } from "../interop/support/cut-proxy.ts";
import type { Ensemble, Member } from "../interop/support/ensemble.ts";
import type { ServerKind } from "../interop/support/servers.ts";
import type { Load } from "./load.ts";

export interface World {
  readonly ensemble: Ensemble;
  readonly load: Load;
  readonly prng: Prng;
  /** As what a member is started that was down. */
  readonly kindOf: (member: Member) => ServerKind;
  /** Within how long writes go on while a quorum is well connected, ms. */
  readonly progress: number;
}

export interface Fault {
  readonly name: string;
  /** Fewer voters would not be left with a quorum. */
  readonly votersMin?: number;
  readonly run: (world: World) => Promise<void>;
}

const SERVE_TIMEOUT = 60_000;
const HOLD_MIN = 500;
const HOLD_MAX = 3000;
const DELAY_MAX = 150;

/** Everything runs, is connected, serves, and accepts writes. */
export async function settle({ ensemble, load, kindOf, progress }: World): Promise<void> {
  ensemble.proxy?.mend();
  for (const member of ensemble.members) {
    if (member.paused) member.resume();
    if (!member.running) member.launch(kindOf(member));
  }
  await ensemble.awaitServing(SERVE_TIMEOUT);
  await load.awaitProgress(progress);
}

const leaderOf = ({ ensemble }: World): Promise<Member> => ensemble.awaitLeader(SERVE_TIMEOUT);

function pick<T>(prng: Prng, from: readonly T[]): T {
  return from[prng.below(from.length)]!;
}

async function followerOf(world: World): Promise<Member> {
  const leader = await leaderOf(world);
  return pick(
    world.prng,
    world.ensemble.members.filter((member) => member !== leader && member.running),
  );
}

const hold = ({ prng }: World): Promise<void> => delay(HOLD_MIN + prng.below(HOLD_MAX - HOLD_MIN));

const progress = async (world: World): Promise<void> => void (await world.load.awaitProgress(world.progress));

function isolate({ ensemble }: World, member: Member): void {
  for (const other of ensemble.members) if (other !== member) ensemble.proxy!.cut(member.id, other.id);
}

function othersOf({ ensemble }: World, member: Member): readonly Member[] {
  return ensemble.members.filter((other) => other !== member);
}

const KILLS: readonly Fault[] = [
  {
    name: "kill the leader",
    run: async (world) => {
      await (await leaderOf(world)).kill();
      await progress(world);
    },
  },
  {
    name: "kill a follower",
    run: async (world) => {
      await (await followerOf(world)).kill();
      await progress(world);
    },
  },
  {
    name: "kill the leader, and the next one",
    run: async (world) => {
      const first = await leaderOf(world);
      await first.kill();
      const second = await world.ensemble.awaitLeader(SERVE_TIMEOUT, first);
      first.launch(world.kindOf(first));
      await delay(world.prng.below(500));
      await second.kill();
      await progress(world);
    },
  },
  {
    name: "kill leader and follower together",
    votersMin: 5,
    run: async (world) => {
      const [leader, follower] = [await leaderOf(world), await followerOf(world)];
      await Promise.all([leader.kill(), follower.kill()]);
      await progress(world);
    },
  },
  {
    name: "kill a follower, and again while it catches up",
    run: async (world) => {
      const follower = await followerOf(world);
      await follower.kill();
      await progress(world);
      follower.launch(world.kindOf(follower));
      await delay(world.prng.below(600));
      await follower.kill();
      await progress(world);
    },
  },
  { name: "kill all", run: async ({ ensemble }) => void (await Promise.all(ensemble.members.map((m) => m.kill()))) },
  {
    name: "kill all but one",
    run: async (world) => {
      const spared = pick(world.prng, world.ensemble.members);
      await Promise.all(othersOf(world, spared).map((member) => member.kill()));
      await hold(world);
    },
  },
  {
    name: "stop the leader in good order",
    run: async (world) => {
      await (await leaderOf(world)).stop();
      await progress(world);
    },
  },
];

const PAUSES: readonly Fault[] = [
  {
    name: "pause the leader until there is another",
    run: async (world) => {
      (await leaderOf(world)).pause();
      await progress(world);
      await delay(world.prng.below(1000));
    },
  },
  {
    name: "pause a follower",
    run: async (world) => {
      (await followerOf(world)).pause();
      await progress(world);
      await hold(world);
    },
  },
  {
    name: "pause the leader for a moment",
    run: async (world) => {
      (await leaderOf(world)).pause();
      await hold(world);
    },
  },
  {
    name: "pause all for a moment",
    run: async (world) => {
      for (const member of world.ensemble.members) member.pause();
      await hold(world);
    },
  },
];

const CUTS: readonly Fault[] = [
  {
    name: "cut the leader off from all servers",
    run: async (world) => {
      isolate(world, await leaderOf(world));
      await progress(world);
      await delay(world.prng.below(1000));
    },
  },
  {
    name: "cut a follower off from all servers",
    run: async (world) => {
      isolate(world, await followerOf(world));
      await progress(world);
      await hold(world);
    },
  },
  {
    name: "cut the leader and one follower apart",
    run: async (world) => {
      world.ensemble.proxy!.cut((await leaderOf(world)).id, (await followerOf(world)).id);
      await hold(world);
    },
  },
  {
    name: "cut two followers apart",
    run: async (world) => {
      const leader = await leaderOf(world);
      const [a, b] = othersOf(world, leader) as [Member, Member];
      world.ensemble.proxy!.cut(a.id, b.id);
      await hold(world);
    },
  },
  {
    name: "cut all servers apart",
    run: async (world) => {
      for (const member of world.ensemble.members) isolate(world, member);
      await hold(world);
    },
  },
  {
    name: "nothing from the leader arrives",
    run: async (world) => {
      const leader = await leaderOf(world);
      for (const other of othersOf(world, leader)) world.ensemble.proxy!.block(leader.id, other.id);
      await hold(world);
    },
  },
  {
    name: "nothing arrives at the leader",
    run: async (world) => {
      const leader = await leaderOf(world);
      for (const other of othersOf(world, leader)) world.ensemble.proxy!.block(other.id, leader.id);
      await hold(world);
    },
  },
  {
    name: "nothing from one follower arrives at the leader",
    run: async (world) => {
      world.ensemble.proxy!.block((await followerOf(world)).id, (await leaderOf(world)).id);
      await hold(world);
    },
  },
];

const NETWORK: readonly Fault[] = [
  {
    name: "break connections of the leader",
    run: async (world) => {
      const leader = await leaderOf(world);
      for (const other of othersOf(world, leader)) {
        if (world.prng.chance(2, 3)) world.ensemble.proxy!.reset(leader.id, other.id);
      }
    },
  },
  {
    name: "delay everything",
    run: async (world) => {
      const { ensemble, prng } = world;
      for (const a of ensemble.members) {
        for (const b of othersOf(world, a)) ensemble.proxy!.delay(a.id, b.id, prng.below(DELAY_MAX));
      }
      await hold(world);
    },
  },
  {
    name: "cut clients off from one server",
    run: async (world) => {
      const { ensemble, prng } = world;
      const member = pick(prng, ensemble.members);
      ensemble.proxy!.cut(CLIENTS, member.id);
      await hold(world);
      ensemble.proxy!.reset(CLIENTS, member.id);
    },
  },
];

export const FAULTS: readonly Fault[] = [...KILLS, ...PAUSES, ...CUTS, ...NETWORK];
