/** Members come and go while an ensemble serves, with Apache ZooKeeper 3.8 as leader, as follower and as the one who joins. */
import { afterEach, expect, test } from "vitest";
import type { ZooKeeper } from "../../core/client/index.ts";
import { connect } from "../../net/client.ts";
import { Load } from "../chaos/load.ts";
import { Ensemble, type Member, QUICK } from "./support/ensemble.ts";
import { eventually } from "./support/processes.ts";
import type { ServerKind } from "./support/servers.ts";

const V: ServerKind = "vivarium";
const A: ServerKind = "apache";
const TIMEOUT = 30_000;

let ensemble: Ensemble | undefined;
let load: Load | undefined;
let admin: ZooKeeper | undefined;

afterEach(async () => {
  load?.abort();
  admin?.close().catch(() => {});
  await ensemble?.close();
  ensemble = load = admin = undefined;
});

const auth = [{ scheme: "digest", auth: "super:adm" }];

/** What `member` itself takes for the configuration. */
async function configAt(member: Member): Promise<string> {
  const zk = await connect(`127.0.0.1:${member.clientPort}`, { auth });
  try {
    await zk.sync("/");
    const { data } = await zk.getConfig();
    return Buffer.from(data!).toString();
  } finally {
    await zk.close();
  }
}

/** All `members` serve under one configuration, which names just them. */
async function verify(members: readonly Member[]): Promise<void> {
  await ensemble!.awaitServing(TIMEOUT, members);
  await load!.awaitProgress(TIMEOUT);
  const first = await configAt(members[0]!);
  for (const member of members) {
    await eventually(
      `member ${member.id} has the configuration`,
      TIMEOUT,
      async () => (await configAt(member)) === first,
    );
  }
  const named = [...first.matchAll(/^server\.(\d+)=/gm)].map(([, id]) => Number(id)).toSorted((a, b) => a - b);
  expect(named, first).toEqual(members.map(({ id }) => id));
  await load!.verify(members);
  await load!.compareTrees(members);
  expect(ensemble!.alarms()).toEqual([]);
}

test.each([
  { kinds: [A, A, V, V] as const, leads: A, what: "ours joins Java's" },
  { kinds: [V, V, A, A] as const, leads: V, what: "Java's joins ours" },
  { kinds: [V, V, V, V] as const, leads: V, what: "ours joins ours" },
])(
  "$what, survives a leader's end, becomes an observer, and leaves",
  { timeout: 180_000 },
  async ({ kinds, leads }) => {
    const config = { ...QUICK, reconfigEnabled: true, standaloneEnabled: false };
    ensemble = await Ensemble.start({ kinds, joiners: [4], first: 2, absent: [3], proxied: false, config });
    const [one, two, three, four] = ensemble.members as [Member, Member, Member, Member];
    three.launch();
    await ensemble.awaitServing(TIMEOUT, [one, two, three]);
    expect((await ensemble.awaitLeader(TIMEOUT)).kind).toBe(leads);
    load = await Load.start(ensemble, { seed: 1 });
    admin = await connect(ensemble.connectString, { auth });
    await verify([one, two, three]);

    four.launch();
    await ensemble.awaitServing(TIMEOUT, [four]);
    await admin.reconfig({ joining: [Ensemble.lineOf(four)] });
    await verify([one, two, three, four]);

    const leader = await ensemble.awaitLeader(TIMEOUT);
    await leader.kill();
    await load.awaitProgress(TIMEOUT);
    leader.launch();
    await verify([one, two, three, four]);

    await again(() => admin!.reconfig({ joining: [Ensemble.lineOf(four, "observer")] }));
    await eventually("it observes", TIMEOUT, async () => (await four.mode()) === "observer");
    await verify([one, two, three, four]);

    await again(() => admin!.reconfig({ leaving: [4] }));
    await four.kill();
    await verify([one, two, three]);

    // The one that leads, of whichever kind.
    const last = await ensemble.awaitLeader(TIMEOUT);
    await again(() => admin!.reconfig({ leaving: [last.id] }));
    await last.kill();
    await verify([one, two, three].filter((member) => member !== last));
    await load.stop();
  },
);

/** The leader may change under it; what a lost answer hid was done, and is done again. */
async function again(reconfig: () => Promise<unknown>): Promise<void> {
  await eventually("reconfig succeeds", TIMEOUT, () =>
    reconfig().then(
      () => true,
      (error: { readonly code?: string }) => {
        if (error.code === "BADARGUMENTS") throw error;
        return false;
      },
    ),
  );
}
