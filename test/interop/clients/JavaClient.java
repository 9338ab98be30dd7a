import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.Watcher.WatcherType;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.ClientInfo;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;

/**
 * Every operation of Apache ZooKeeper's Java client against the server at args[0]. Prints "ok NAME" per part and ends
 * with exit code 1 at the first surprise. With args[1] = "restart" it only watches a restart of the server.
 */
public class JavaClient {
    static final int TIMEOUT = 4000;
    static String address;

    /** A client that can lose its connection without closing its session, and that collects its events. */
    static class Client extends ZooKeeper {
        final Events events;

        Client(String address, int timeout, Events events) throws Exception {
            super(address, timeout, events);
            this.events = events;
        }

        Client(String address, int timeout, Events events, long session, byte[] password) throws Exception {
            super(address, timeout, events, session, password);
            this.events = events;
        }

        /** As if the process had died: nothing more is sent, the session is left behind. */
        void die() {
            cnxn.disconnect();
        }
    }

    static class Events implements Watcher {
        final BlockingQueue<WatchedEvent> nodes = new LinkedBlockingQueue<>();
        final BlockingQueue<KeeperState> states = new LinkedBlockingQueue<>();

        @Override
        public void process(WatchedEvent event) {
            if (event.getType() == EventType.None) {
                states.add(event.getState());
            } else {
                nodes.add(event);
            }
        }

        void expect(EventType type, String path) throws Exception {
            WatchedEvent event = nodes.poll(10, TimeUnit.SECONDS);
            check(event != null, "no event; expected " + type + " " + path);
            check(event.getType() == type && event.getPath().equals(path), "expected " + type + " " + path + ", got " + event);
        }

        void expectNone() throws Exception {
            WatchedEvent event = nodes.poll(200, TimeUnit.MILLISECONDS);
            check(event == null, "unexpected " + event);
        }

        void await(KeeperState wanted) throws Exception {
            for (;;) {
                KeeperState state = states.poll(20, TimeUnit.SECONDS);
                check(state != null, "never " + wanted);
                if (state == wanted) {
                    return;
                }
            }
        }
    }

    interface Call {
        void run() throws Exception;
    }

    static void check(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }

    static void equal(Object expected, Object actual) {
        check(expected.equals(actual), "expected " + expected + ", got " + actual);
    }

    static void fails(Code code, Call call) throws Exception {
        try {
            call.run();
        } catch (KeeperException e) {
            equal(code, e.code());
            return;
        }
        throw new AssertionError("expected " + code);
    }

    static void part(String name, Call call) {
        try {
            call.run();
            System.out.println("ok " + name);
        } catch (Throwable e) {
            System.out.println("FAILED " + name);
            e.printStackTrace(System.out);
            Runtime.getRuntime().halt(1);
        }
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static Client connect() throws Exception {
        return connect(address, TIMEOUT);
    }

    static Client connect(String where, int timeout) throws Exception {
        Client client = new Client(where, timeout, new Events());
        client.events.await(KeeperState.SyncConnected);
        return client;
    }

    public static void main(String[] args) throws Exception {
        address = args[0];
        if (args.length > 1) {
            part("restart", JavaClient::restart);
            System.exit(0);
        }
        part("nodes", JavaClient::nodes);
        part("kinds of nodes", JavaClient::kinds);
        part("data", JavaClient::data);
        part("multi", JavaClient::multi);
        part("watches", JavaClient::watches);
        part("persistent watches", JavaClient::persistentWatches);
        part("access", JavaClient::access);
        part("pipelining", JavaClient::pipelining);
        part("chroot", JavaClient::chroot);
        part("resume", JavaClient::resume);
        part("close", JavaClient::close);
        part("expiry", JavaClient::expiry);
        System.exit(0);
    }

    static void nodes() throws Exception {
        Client zk = connect();
        Stat created = new Stat();
        equal("/n", zk.create("/n", bytes("one"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, created));
        check(created.getCzxid() == created.getMzxid() && created.getCzxid() == created.getPzxid(), "zxids of a new node");
        equal(0, created.getVersion());
        equal(3, created.getDataLength());
        fails(Code.NODEEXISTS, () -> zk.create("/n", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
        fails(Code.NONODE, () -> zk.create("/none/x", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
        Stat stat = new Stat();
        equal("one", new String(zk.getData("/n", false, stat)));
        equal(created, stat);
        Stat set = zk.setData("/n", bytes("second"), 0);
        equal(1, set.getVersion());
        check(set.getMzxid() > set.getCzxid(), "mzxid moves");
        fails(Code.BADVERSION, () -> zk.setData("/n", null, 0));
        zk.create("/n/b", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.create("/n/a", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        List<String> children = zk.getChildren("/n", false, stat);
        children.sort(null);
        equal(Arrays.asList("a", "b"), children);
        equal(2, stat.getCversion());
        equal(2, stat.getNumChildren());
        equal(2, zk.getAllChildrenNumber("/n"));
        fails(Code.NOTEMPTY, () -> zk.delete("/n", -1));
        fails(Code.BADVERSION, () -> zk.delete("/n/a", 7));
        zk.delete("/n/a", 0);
        equal(3, zk.exists("/n", false).getCversion());
        check(zk.exists("/n/a", false) == null, "/n/a is gone");
        fails(Code.NONODE, () -> zk.getChildren("/none", false));
        fails(Code.NONODE, () -> zk.delete("/none", -1));
        CountDownLatch synced = new CountDownLatch(1);
        zk.sync("/n", (rc, path, ctx) -> synced.countDown(), null);
        check(synced.await(10, TimeUnit.SECONDS), "sync is answered");
        zk.close();
    }

    static void kinds() throws Exception {
        Client zk = connect();
        zk.create("/k", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        equal("/k/s0000000000", zk.create("/k/s", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL));
        equal("/k/e0000000001", zk.create("/k/e", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL_SEQUENTIAL));
        equal(zk.getSessionId(), zk.exists("/k/e0000000001", false).getEphemeralOwner());
        fails(Code.NOCHILDRENFOREPHEMERALS, () ->
            zk.create("/k/e0000000001/x", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
        equal(Arrays.asList("/k/e0000000001"), zk.getEphemerals("/k"));
        Stat stat = new Stat();
        zk.create("/k/c", null, Ids.OPEN_ACL_UNSAFE, CreateMode.CONTAINER, stat);
        equal(0L, stat.getEphemeralOwner());
        zk.create("/k/t", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, stat, 500);
        equal(0L, stat.getEphemeralOwner());
        equal("/k/q0000000004", zk.create("/k/q", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL, stat, 100000));
        // The server of this test looks for such nodes every 500 ms.
        zk.create("/k/c/child", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.delete("/k/c/child", -1);
        for (int tries = 0; zk.exists("/k/c", false) != null || zk.exists("/k/t", false) != null; tries++) {
            check(tries < 100, "containers and TTL nodes go");
            Thread.sleep(100);
        }
        check(zk.exists("/k/q0000000004", false) != null, "a TTL that has not run out");
        zk.close();
    }

    static void data() throws Exception {
        Client zk = connect();
        zk.create("/d", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        check(zk.getData("/d", false, null) == null, "null stays null");
        zk.setData("/d", new byte[0], -1);
        equal(0, zk.getData("/d", false, null).length);
        byte[] large = new byte[1_000_000];
        Arrays.fill(large, (byte) 7);
        zk.setData("/d", large, -1);
        check(Arrays.equals(large, zk.getData("/d", false, null)), "a megabyte comes back");
        String name = "/d/Ж-日本-é ü";
        zk.create(name, bytes(name), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        equal(name, "/d/" + zk.getChildren("/d", false).get(0));
        equal(name, new String(zk.getData(name, false, null), StandardCharsets.UTF_8));
        zk.close();
    }

    static void multi() throws Exception {
        Client zk = connect();
        zk.create("/m", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        List<OpResult> results = zk.transaction()
            .check("/m", 0)
            .create("/m/a", bytes("a"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT)
            .create("/m/s", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL)
            .setData("/m/a", bytes("b"), 0)
            .delete("/m/a", 1)
            .create("/m/a", bytes("c"), Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL)
            .commit();
        equal(6, results.size());
        equal("/m/s0000000001", ((OpResult.CreateResult) results.get(2)).getPath());
        equal(1, ((OpResult.SetDataResult) results.get(3)).getStat().getVersion());
        equal("c", new String(zk.getData("/m/a", false, null)));
        try {
            zk.multi(Arrays.asList(
                Op.create("/m/x", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
                Op.check("/m", 5),
                Op.delete("/m/x", -1)));
            throw new AssertionError("the multi must fail");
        } catch (KeeperException e) {
            equal(Code.BADVERSION, e.code());
            List<Integer> codes = new ArrayList<>();
            for (OpResult result : e.getResults()) {
                codes.add(((OpResult.ErrorResult) result).getErr());
            }
            equal(Arrays.asList(0, Code.BADVERSION.intValue(), Code.RUNTIMEINCONSISTENCY.intValue()), codes);
        }
        check(zk.exists("/m/x", false) == null, "nothing of a failed multi happens");
        List<OpResult> reads = zk.multi(Arrays.asList(Op.getData("/m/a"), Op.getChildren("/m"), Op.getData("/none")));
        equal("c", new String(((OpResult.GetDataResult) reads.get(0)).getData()));
        equal(2, ((OpResult.GetChildrenResult) reads.get(1)).getChildren().size());
        equal(Code.NONODE.intValue(), ((OpResult.ErrorResult) reads.get(2)).getErr());
        zk.close();
    }

    static void watches() throws Exception {
        Client watcher = connect();
        Client writer = connect();
        check(watcher.exists("/w", true) == null, "/w is not there yet");
        writer.create("/w", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        watcher.events.expect(EventType.NodeCreated, "/w");
        watcher.getData("/w", true, null);
        watcher.getChildren("/w", true);
        writer.setData("/w", bytes("x"), -1);
        writer.setData("/w", bytes("y"), -1);
        watcher.events.expect(EventType.NodeDataChanged, "/w");
        writer.create("/w/c", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        watcher.events.expect(EventType.NodeChildrenChanged, "/w");
        watcher.events.expectNone();
        watcher.getData("/w/c", true, null);
        watcher.getChildren("/w/c", true);
        watcher.getChildren("/w", true);
        writer.delete("/w/c", -1);
        watcher.events.expect(EventType.NodeDeleted, "/w/c");
        watcher.events.expect(EventType.NodeChildrenChanged, "/w");
        watcher.events.expectNone();
        watcher.getData("/w", watcher.events, null);
        watcher.removeWatches("/w", watcher.events, WatcherType.Data, false);
        watcher.events.expect(EventType.DataWatchRemoved, "/w");
        fails(Code.NOWATCHER, () -> watcher.removeWatches("/w", watcher.events, WatcherType.Any, false));
        writer.setData("/w", bytes("z"), -1);
        watcher.events.expectNone();
        // An event comes before the reply that shows the change.
        AtomicInteger order = new AtomicInteger();
        int[] seen = new int[2];
        CountDownLatch both = new CountDownLatch(2);
        watcher.getData("/w", event -> {
            seen[0] = order.incrementAndGet();
            both.countDown();
        }, null);
        watcher.setData("/w", null, -1, (rc, path, ctx, stat) -> {
            seen[1] = order.incrementAndGet();
            both.countDown();
        }, null);
        check(both.await(10, TimeUnit.SECONDS) && seen[0] == 1 && seen[1] == 2, "the event precedes the reply");
        watcher.close();
        writer.close();
    }

    static void persistentWatches() throws Exception {
        Client zk = connect();
        zk.addWatch("/p", AddWatchMode.PERSISTENT);
        for (int round = 0; round < 2; round++) {
            zk.create("/p", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
            zk.events.expect(EventType.NodeCreated, "/p");
            zk.create("/p/c", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
            zk.events.expect(EventType.NodeChildrenChanged, "/p");
            zk.setData("/p", null, -1);
            zk.events.expect(EventType.NodeDataChanged, "/p");
            zk.delete("/p/c", -1);
            zk.events.expect(EventType.NodeChildrenChanged, "/p");
            zk.delete("/p", -1);
            zk.events.expect(EventType.NodeDeleted, "/p");
        }
        Events recursive = new Events();
        zk.addWatch("/r", recursive, AddWatchMode.PERSISTENT_RECURSIVE);
        zk.create("/r", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        recursive.expect(EventType.NodeCreated, "/r");
        zk.create("/r/a", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        recursive.expect(EventType.NodeCreated, "/r/a");
        zk.create("/r/a/b", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        recursive.expect(EventType.NodeCreated, "/r/a/b");
        zk.setData("/r/a/b", null, -1);
        recursive.expect(EventType.NodeDataChanged, "/r/a/b");
        zk.delete("/r/a/b", -1);
        recursive.expect(EventType.NodeDeleted, "/r/a/b");
        recursive.expectNone();
        zk.removeWatches("/r", recursive, WatcherType.Any, false);
        recursive.expect(EventType.PersistentWatchRemoved, "/r");
        zk.setData("/r/a", null, -1);
        recursive.expectNone();
        zk.close();
    }

    static void access() throws Exception {
        Client bob = connect();
        Client eve = connect();
        bob.addAuthInfo("digest", bytes("bob:pw"));
        bob.create("/acl", bytes("secret"), Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
        Stat stat = new Stat();
        equal(Arrays.asList(new ACL(Perms.ALL, new Id("digest", "bob:ikIaKsbtGweaHnb/jKn7OHqbunM="))), bob.getACL("/acl", stat));
        fails(Code.NOAUTH, () -> eve.getData("/acl", false, null));
        fails(Code.NOAUTH, () -> eve.setData("/acl", null, -1));
        fails(Code.NOAUTH, () -> eve.create("/acl/x", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
        fails(Code.NOAUTH, () -> eve.getACL("/acl", null));
        fails(Code.INVALIDACL, () -> eve.create("/acl2", null, Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT));
        List<ACL> readable = new ArrayList<>(Ids.READ_ACL_UNSAFE);
        readable.add(new ACL(Perms.ALL, new Id("digest", "bob:ikIaKsbtGweaHnb/jKn7OHqbunM=")));
        equal(1, bob.setACL("/acl", readable, 0).getAversion());
        fails(Code.BADVERSION, () -> bob.setACL("/acl", readable, 0));
        equal("secret", new String(eve.getData("/acl", false, null)));
        equal("bob:x", eve.getACL("/acl", null).get(1).getId().getId());
        eve.addAuthInfo("digest", bytes("super:adm"));
        equal("bob:ikIaKsbtGweaHnb/jKn7OHqbunM=", eve.getACL("/acl", null).get(1).getId().getId());
        eve.delete("/acl", -1);
        List<String> who = new ArrayList<>();
        for (ClientInfo info : bob.whoAmI()) {
            who.add(info.getAuthScheme() + ":" + info.getUser());
        }
        check(who.contains("digest:bob") && who.contains("ip:127.0.0.1"), "who am I: " + who);
        Client refused = connect();
        refused.addAuthInfo("nobody", bytes("x"));
        refused.events.await(KeeperState.AuthFailed);
        refused.close();
        bob.close();
        eve.close();
    }

    static void pipelining() throws Exception {
        Client zk = connect();
        zk.create("/async", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        int count = 5000;
        CountDownLatch done = new CountDownLatch(2 * count);
        AtomicInteger next = new AtomicInteger();
        AtomicInteger wrong = new AtomicInteger();
        for (int i = 0; i < count; i++) {
            String path = String.format("/async/n%010d", i);
            int turn = i;
            zk.create("/async/n", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL, (rc, asked, ctx, name) -> {
                if (rc != 0 || !path.equals(name) || next.getAndIncrement() != turn) {
                    wrong.incrementAndGet();
                }
                done.countDown();
            }, null);
            zk.exists(path, false, (rc, asked, ctx, stat) -> {
                if (rc != 0) {
                    wrong.incrementAndGet();
                }
                done.countDown();
            }, null);
        }
        check(done.await(60, TimeUnit.SECONDS), "all are answered");
        equal(0, wrong.get());
        equal(count, zk.getChildren("/async", false).size());
        zk.close();
    }

    static void chroot() throws Exception {
        Client zk = connect();
        zk.create("/root", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        Client inside = connect(address + "/root", TIMEOUT);
        inside.exists("/x", true);
        equal("/x", inside.create("/x", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
        inside.events.expect(EventType.NodeCreated, "/x");
        check(zk.exists("/root/x", false) != null, "/root/x");
        inside.close();
        zk.close();
    }

    static void resume() throws Exception {
        Client first = connect(address, 20_000);
        first.create("/resume", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        long session = first.getSessionId();
        byte[] password = first.getSessionPasswd();
        first.die();
        byte[] wrong = password.clone();
        wrong[3] ^= 1;
        Client refused = new Client(address, TIMEOUT, new Events(), session, wrong);
        refused.events.await(KeeperState.Expired);
        Client second = new Client(address, 20_000, new Events(), session, password);
        second.events.await(KeeperState.SyncConnected);
        equal(session, second.getSessionId());
        equal(session, second.exists("/resume", false).getEphemeralOwner());
        second.close();
        Client late = new Client(address, TIMEOUT, new Events(), session, password);
        late.events.await(KeeperState.Expired);
    }

    static void close() throws Exception {
        Client watcher = connect();
        Client zk = connect();
        zk.create("/close", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        watcher.exists("/close", true);
        zk.close();
        watcher.events.expect(EventType.NodeDeleted, "/close");
        watcher.close();
    }

    static void expiry() throws Exception {
        Client watcher = connect();
        Client zk = connect(address, TIMEOUT);
        zk.create("/expiry", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        int timeout = zk.getSessionTimeout();
        long session = zk.getSessionId();
        watcher.exists("/expiry", true);
        long start = System.nanoTime();
        zk.die();
        watcher.events.expect(EventType.NodeDeleted, "/expiry");
        long millis = (System.nanoTime() - start) / 1_000_000;
        // Its last ping may have been up to a third of the timeout before its death.
        check(millis > timeout / 2 && millis < timeout + 4000, "expired after " + millis + " of " + timeout);
        Client late = new Client(address, TIMEOUT, new Events(), session, zk.getSessionPasswd());
        late.events.await(KeeperState.Expired);
        watcher.close();
    }

    /** The session, its ephemeral and its watches survive a restart of the server. */
    static void restart() throws Exception {
        Client zk = connect(address, 20_000);
        zk.create("/restart", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        zk.getData("/restart", true, null);
        zk.exists("/restart-made", true);
        Events persistent = new Events();
        zk.addWatch("/restart-persistent", persistent, AddWatchMode.PERSISTENT);
        long session = zk.getSessionId();
        System.out.println("ready");
        zk.events.await(KeeperState.Disconnected);
        zk.events.await(KeeperState.SyncConnected);
        equal(session, zk.getSessionId());
        equal(session, zk.exists("/restart", false).getEphemeralOwner());
        zk.setData("/restart", bytes("x"), -1);
        zk.events.expect(EventType.NodeDataChanged, "/restart");
        zk.create("/restart-made", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        zk.events.expect(EventType.NodeCreated, "/restart-made");
        zk.create("/restart-persistent", null, Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        persistent.expect(EventType.NodeCreated, "/restart-persistent");
        zk.close();
    }
}
