/**
 * Who has agreed to something, and whether that is enough in every configuration that has a say: one, or two while a
 * reconfiguration is pending (Java: SyncedLearnerTracker; reference, section 1.4). One is made for every proposal.
 */
import type { QuorumConfig } from "./config.ts";

export class AckSet {
  #configs: readonly QuorumConfig[];
  /** Few: a search is cheaper than a Set. Whoever agreed, voters or not, so that a later configuration can count them. */
  readonly #ids: number[] = [];
  #complete = false;

  /** `configs` is not copied and not changed. */
  constructor(configs: readonly QuorumConfig[]) {
    this.#configs = configs;
  }

  /** Does every configuration have its quorum? */
  get complete(): boolean {
    return this.#complete;
  }

  add(id: number): void {
    if (this.#ids.includes(id)) return;
    this.#ids.push(id);
    if (!this.#complete) this.#count();
  }

  /** `id` agrees no more. */
  remove(id: number): void {
    const at = this.#ids.indexOf(id);
    if (at < 0) return;
    this.#ids.splice(at, 1);
    this.#count();
  }

  has(id: number): boolean {
    return this.#ids.includes(id);
  }

  /** In the order in which they came. */
  ids(): readonly number[] {
    return this.#ids;
  }

  /** From here on a quorum of `config` is needed as well. */
  addConfig(config: QuorumConfig): void {
    if (this.#configs.includes(config)) return;
    this.#configs = [...this.#configs, config];
    this.#count();
  }

  configs(): readonly QuorumConfig[] {
    return this.#configs;
  }

  #count(): void {
    let complete = this.#configs.length > 0;
    for (const config of this.#configs) complete &&= config.containsQuorum(this.#ids);
    this.#complete = complete;
  }
}
