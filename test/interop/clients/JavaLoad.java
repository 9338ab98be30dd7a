import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/**
 * Apache ZooKeeper's Java client under faults: writes and reads at the ensemble args[0] until standard input says stop,
 * then checks what it was told. "pause" is answered with "paused" when nothing is under way, until "resume". Prints "acknowledged N" and "problem ..." lines; exit code 1 when there are any.
 */
public class JavaLoad {
    static final String HOME = "/java";
    static final List<String> problems = new ArrayList<>();
    static volatile boolean stopped;
    static volatile boolean paused;

    interface Call<T> {
        T call() throws Exception;
    }

    /** Null when it is not known what came of it. */
    static <T> T attempt(Call<T> call) throws Exception {
        try {
            return call.call();
        } catch (KeeperException.ConnectionLossException | KeeperException.OperationTimeoutException e) {
            Thread.sleep(20);
            return null;
        }
    }

    static <T> T again(Call<T> call) throws Exception {
        T result = null;
        while (result == null) {
            result = attempt(call);
        }
        return result;
    }

    static void create(ZooKeeper zk, String path, CreateMode mode) throws Exception {
        try {
            again(() -> zk.create(path, "0".getBytes(StandardCharsets.UTF_8), Ids.OPEN_ACL_UNSAFE, mode));
        } catch (KeeperException.NodeExistsException e) {
            // An earlier try made it.
        }
    }

    public static void main(String[] args) throws Exception {
        ZooKeeper zk = new ZooKeeper(args[0], 20000, event -> {
            if (event.getState() == KeeperState.Expired) {
                problems.add("the session has expired");
                stopped = true;
            }
        });
        for (String path : new String[] {HOME, HOME + "/counter", HOME + "/q"}) {
            create(zk, path, CreateMode.PERSISTENT);
        }
        create(zk, HOME + "/here", CreateMode.EPHEMERAL);
        long session = zk.getSessionId();
        Thread reader = new Thread(() -> {
            try {
                BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
                for (String line = input.readLine(); line != null && !line.equals("stop"); line = input.readLine()) {
                    paused = line.equals("pause");
                }
            } catch (Exception e) {
                // It is over either way.
            }
            stopped = true;
        });
        reader.setDaemon(true);
        reader.start();
        System.out.println("ready");
        int acknowledged = 0;
        try {
            acknowledged = load(zk, session);
        } catch (KeeperException e) {
            problems.add(e.toString());
        }
        zk.close();
        for (String problem : problems) {
            System.out.println("problem " + problem);
        }
        System.out.println("acknowledged " + acknowledged);
        System.exit(problems.isEmpty() ? 0 : 1);
    }

    static int load(ZooKeeper zk, long session) throws Exception {
        int sent = 0;
        int acked = 0;
        int acknowledged = 0;
        long zxid = 0;
        List<String> nodes = new ArrayList<>();
        while (!stopped) {
            if (paused) {
                System.out.println("paused");
                while (paused && !stopped) {
                    Thread.sleep(5);
                }
            }
            int n = ++sent;
            byte[] data = String.valueOf(n).getBytes(StandardCharsets.UTF_8);
            if (attempt(() -> zk.setData(HOME + "/counter", data, -1)) != null) {
                acked = n;
                acknowledged++;
            }
            if (n % 10 == 0) {
                String node = attempt(() -> zk.create(HOME + "/q/n-", data, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL));
                if (node != null) {
                    nodes.add(node);
                    acknowledged++;
                }
            }
            Stat stat = new Stat();
            byte[] read = attempt(() -> zk.getData(HOME + "/counter", false, stat));
            if (read != null) {
                int value = Integer.parseInt(new String(read, StandardCharsets.UTF_8));
                if (value < acked || value > sent) {
                    problems.add("read " + value + ", acknowledged " + acked + ", sent " + sent);
                }
                if (stat.getMzxid() < zxid) {
                    problems.add("mzxid " + Long.toHexString(stat.getMzxid()) + " after " + Long.toHexString(zxid));
                }
                zxid = stat.getMzxid();
            }
        }
        if (!problems.isEmpty()) {
            return acknowledged;
        }
        Set<String> children = new HashSet<>(again(() -> zk.getChildren(HOME + "/q", false)));
        for (String node : nodes) {
            if (!children.contains(node.substring(node.lastIndexOf('/') + 1))) {
                problems.add(node + " is lost");
            }
        }
        Stat here = again(() -> zk.exists(HOME + "/here", false));
        if (here.getEphemeralOwner() != session || zk.getSessionId() != session) {
            problems.add("the ephemeral node is not this session's");
        }
        return acknowledged;
    }
}
