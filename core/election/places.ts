/** Where another server's election port may be: what the configurations say, and what it says of itself. */
import type { Address } from "../actor.ts";
import type { QuorumView } from "../quorum/view.ts";

const PLACES_MAX = 8;
const WILDCARDS: readonly string[] = ["", "0.0.0.0", "[::]", "[0:0:0:0:0:0:0:0]"];

/** Without those nobody can connect to: wildcards that name every host, and what is no `host:port` (ZOOKEEPER-2164). */
export function usablePlaces(addresses: readonly Address[]): Address[] {
  return addresses.slice(0, PLACES_MAX).filter(isPlace);
}

/**
 * Where to call `id`, best first. Java takes what the greeting said first; here a member's configuration goes before
 * it, for a greeting is what anybody may send.
 */
export function placesOf(view: QuorumView, id: number, advertised: readonly Address[]): Address[] {
  const { current, lastSeen } = view;
  const places = new Set<Address>(current.members.get(id)?.electionAddresses);
  for (const place of lastSeen.members.get(id)?.electionAddresses ?? []) places.add(place);
  for (const place of advertised) places.add(place);
  return [...places].filter(isPlace);
}

function isPlace(address: Address): boolean {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, Math.max(colon, 0));
  const port = address.slice(colon + 1);
  if (WILDCARDS.includes(host) || !/^([\w.-]+|\[[0-9A-Fa-f:.%\w]+\])$/.test(host)) return false;
  return /^\d{1,5}$/.test(port) && Number(port) > 0 && Number(port) < 65_536;
}
