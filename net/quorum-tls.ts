/**
 * TLS between servers: both ends show a certificate, and each may want the other's to name the host that it is. Java:
 * QuorumX509Util, ZKTrustManager, UnifiedServerSocket; reference, section 8.
 */
import { Resolver } from "node:dns/promises";
import tls from "node:tls";
import type { TlsSettings } from "./config-rows.ts";
import type { TlsDialler, TlsListener } from "./tcp.ts";
import { listening, tlsContext } from "./tls.ts";
import type { TlsKeys } from "./tls.ts";

export interface QuorumTls {
  readonly listener: TlsListener;
  readonly dialler: TlsDialler;
}

/** One that does not answer must not hold a caller for long: it will call again. */
const NAME_SERVICE = { timeout: 1000, tries: 2 };

/** `hosts` are those of the configured members. Throws {@link StartError} when keys or certificates cannot be used. */
export function quorumTls(
  settings: TlsSettings,
  plainToo: boolean,
  hosts: readonly string[],
  where: TlsKeys["where"],
): QuorumTls {
  const context = tlsContext(settings, { prefix: "ssl.quorum.", where });
  const checkServers = settings.hostnameVerification ?? true;
  const checkClients = checkServers && (settings.clientHostnameVerification ?? true);
  return {
    listener: {
      ...listening(settings, plainToo, context),
      async identify(socket) {
        const certificate = socket.getPeerCertificate();
        if (certificate?.raw === undefined) return { subject: undefined };
        if (!socket.authorized) return undefined;
        const known = !checkClients || (await namesCaller(certificate, socket.remoteAddress, hosts));
        return known ? { subject: undefined } : undefined;
      },
    },
    dialler: {
      connect(host, port) {
        // The types do not know allowHalfOpen, which Node takes.
        const options: tls.ConnectionOptions & { readonly allowHalfOpen: boolean } = {
          ...context,
          host,
          port,
          allowHalfOpen: true,
          checkServerIdentity: (_name, certificate) =>
            checkServers ? namesServer(certificate, host, socket.remoteAddress) : undefined,
        };
        const socket = tls.connect(options);
        return socket;
      },
    },
  };
}

/** What is wrong with the certificate of a server that was dialled as `host`. An address will do as well, as in Java. */
function namesServer(certificate: tls.PeerCertificate, host: string, address: string | undefined): Error | undefined {
  const error = tls.checkServerIdentity(host, certificate);
  return error === undefined || (address !== undefined && names(certificate, address)) ? undefined : error;
}

/**
 * Somebody who calls has an address only. The certificate must name that, or a member of the configuration; only for
 * servers that are about to join, the name service is asked who has that address, as Java does for everybody.
 */
async function namesCaller(
  certificate: tls.PeerCertificate,
  address: string | undefined,
  hosts: readonly string[],
): Promise<boolean> {
  if (address === undefined) return false;
  const plain = address.startsWith("::ffff:") ? address.slice(7) : address;
  if (names(certificate, plain) || hosts.some((host) => names(certificate, host))) return true;
  const found = await new Resolver(NAME_SERVICE).reverse(plain).catch((): string[] => []);
  return found.some((host) => names(certificate, host));
}

function names(certificate: tls.PeerCertificate, host: string): boolean {
  return tls.checkServerIdentity(host, certificate) === undefined;
}
