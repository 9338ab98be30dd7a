/** Ensembles for these tests. */
import type { Address } from "../../../core/actor.ts";
import { QuorumConfig } from "../../../core/quorum/config.ts";

/** The election port of a server. */
export function placeOf(id: number): Address {
  return `server${id}:3888` as Address;
}
export function quorumPlaceOf(id: number): Address {
  return `server${id}:2888` as Address;
}

/** `more`: lines for groups, weights, the version. */
export function configOf(voters: readonly number[], observers: readonly number[] = [], more = ""): QuorumConfig {
  const line = (id: number, role: string): string => `server.${id}=server${id}:2888:3888:${role}`;
  const lines = [...voters.map((id) => line(id, "participant")), ...observers.map((id) => line(id, "observer")), more];
  return configFrom(lines.join("\n"));
}

export function configFrom(text: string): QuorumConfig {
  const config = QuorumConfig.parse(text);
  if ("error" in config) throw new Error(config.error);
  return config;
}
