/**
 * IP addresses as bytes: what the `ip` scheme compares, and the text of a remote address as a Java server would put it
 * into a connection's id (Java: IPAuthenticationProvider, and InetAddress.getHostAddress).
 */
import type { Address } from "../actor.ts";

/** 4 or 16 bytes, or undefined: neither a zone (`%eth0`) nor a dotted tail belongs to an address in an ACL. */
export function parseIp(text: string): Uint8Array | undefined {
  return text.includes(":") ? parseV6(text) : parseV4(text);
}

/** `addr` or `addr/bits`, the id of an ACL entry. */
export interface IpRange {
  readonly address: Uint8Array;
  readonly bits: number;
}

export function parseIpRange(text: string): IpRange | undefined {
  const slash = text.indexOf("/");
  const address = parseIp(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  if (slash < 0) return { address, bits: address.length * 8 };
  const bits = parseDecimal(text.slice(slash + 1), address.length * 8);
  return bits === undefined ? undefined : { address, bits };
}

/** Families never match each other. */
export function inRange(address: Uint8Array, range: IpRange): boolean {
  if (address.length !== range.address.length) return false;
  const whole = range.bits >> 3;
  for (let i = 0; i < whole; i++) if (address[i] !== range.address[i]) return false;
  const rest = range.bits & 7;
  return rest === 0 || ((address[whole]! ^ range.address[whole]!) & (0xff << (8 - rest)) & 0xff) === 0;
}

/**
 * The host of `remote` as Java prints it: dotted for IPv4, also when mapped into IPv6 (a dual-stack socket's view);
 * otherwise eight groups without compression. What is no address stays as it is.
 */
export function hostAddress(remote: Address): string {
  const host = hostOf(remote);
  const mapped = /^::ffff:([0-9.]+)$/i.exec(host)?.[1];
  if (mapped !== undefined && parseV4(mapped) !== undefined) return mapped;
  const zone = host.indexOf("%");
  const address = parseIp(zone < 0 ? host : host.slice(0, zone));
  if (address?.length !== 16) return host;
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((address[i]! << 8) | address[i + 1]!).toString(16));
  return groups.join(":") + (zone < 0 ? "" : host.slice(zone));
}

/** `host:port` or `[host]:port` without the port; a bare host, IPv6 too, passes. */
function hostOf(remote: Address): string {
  if (remote.startsWith("[")) {
    const end = remote.indexOf("]");
    return remote.slice(1, end < 0 ? undefined : end);
  }
  const colon = remote.indexOf(":");
  return colon < 0 || colon !== remote.lastIndexOf(":") ? remote : remote.slice(0, colon);
}

function parseV4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(4);
  for (let i = 0; i < 4; i++) {
    const value = parseDecimal(parts[i]!, 255);
    if (value === undefined) return undefined;
    bytes[i] = value;
  }
  return bytes;
}

function parseV6(text: string): Uint8Array | undefined {
  const gap = text.indexOf("::");
  if (gap < 0) {
    const bytes = parseGroups(text);
    return bytes?.length === 16 ? Uint8Array.from(bytes) : undefined;
  }
  const head = parseGroups(text.slice(0, gap));
  const tail = parseGroups(text.slice(gap + 2));
  // The gap stands for at least one group of zeros.
  if (head === undefined || tail === undefined || head.length + tail.length > 14) return undefined;
  const bytes = new Uint8Array(16);
  bytes.set(head);
  bytes.set(tail, 16 - tail.length);
  return bytes;
}

/** Bytes of hexadecimal groups joined by `:`. */
function parseGroups(text: string): number[] | undefined {
  if (text === "") return [];
  const bytes: number[] = [];
  for (const group of text.split(":")) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
    const value = Number.parseInt(group, 16);
    bytes.push(value >> 8, value & 0xff);
  }
  return bytes;
}

/** Digits only; leading zeros pass, as in Java. */
function parseDecimal(text: string, max: number): number | undefined {
  if (!/^[0-9]{1,10}$/.test(text)) return undefined;
  const value = Number(text);
  return value <= max ? value : undefined;
}
