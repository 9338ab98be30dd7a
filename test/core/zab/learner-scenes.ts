/** Where tests of a learner begin. */
import { packZxid } from "../../../core/base/zxid.ts";
import type { LearnerBench } from "./learner-bench.ts";
import type { History } from "./scripted-leader.ts";
import { diff, leaderInfo, newLeader, pair, upToDate } from "./scripted-leader.ts";

/** Connected to a leader of `epoch`, which knows where the learner's log ends and has to say what comes of it. */
export function asked(bench: LearnerBench, epoch: number): LearnerBench {
  bench.begin();
  bench.connected();
  bench.say(leaderInfo(epoch));
  bench.run();
  bench.heard();
  return bench;
}

/** Like {@link asked}; DIFF has been said. */
export function inDiff(bench: LearnerBench, epoch: number): LearnerBench {
  asked(bench, epoch);
  bench.say(diff(packZxid(epoch, 0)));
  return bench;
}

/** Serving, with `history` synced. */
export function serving(bench: LearnerBench, history: History, epoch: number): LearnerBench {
  inDiff(bench, epoch);
  bench.say(...history.txns.flatMap(pair), newLeader(epoch));
  bench.run();
  bench.say(upToDate());
  bench.run();
  bench.heard();
  return bench;
}
