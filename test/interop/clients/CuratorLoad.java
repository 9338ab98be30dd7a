import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.atomic.AtomicValue;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryForever;
import org.apache.zookeeper.KeeperException;

/**
 * Curator under faults: sessions that count together at the ensemble args[0] until standard input says stop. No two may
 * be told the same count, no count may be lost. (No locks: InterProcessMutex of 5.4 throws "Path cannot be null" when its
 * first connection is lost, on Apache's servers too.) "pause" is answered with "paused" when nothing is under way, until
 * "resume". Prints "acknowledged N" and "problem ..." lines; exit code 1 when
 * there are any.
 */
public class CuratorLoad {
    static final int CLIENTS = 3;
    static final String COUNTER = "/curator-load/counter";
    static final List<String> problems = Collections.synchronizedList(new ArrayList<>());
    static final Set<Long> counts = ConcurrentHashMap.newKeySet();
    static final AtomicInteger counted = new AtomicInteger();
    static volatile boolean stopped;
    static volatile boolean paused;
    static final AtomicInteger resting = new AtomicInteger();

    public static void main(String[] args) throws Exception {
        List<CuratorFramework> clients = new ArrayList<>();
        for (int i = 0; i < CLIENTS; i++) {
            CuratorFramework client = CuratorFrameworkFactory.newClient(args[0], 20000, 20000, new RetryForever(50));
            client.getConnectionStateListenable().addListener((any, state) -> {
                if (state == ConnectionState.LOST && !stopped) {
                    problems.add("a session is lost");
                }
            });
            client.start();
            clients.add(client);
        }
        List<Thread> threads = new ArrayList<>();
        for (CuratorFramework client : clients) {
            Thread thread = new Thread(() -> count(client));
            thread.start();
            threads.add(thread);
        }
        System.out.println("ready");
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line = input.readLine(); line != null && !line.equals("stop"); line = input.readLine()) {
            paused = line.equals("pause");
        }
        stopped = true;
        for (Thread thread : threads) {
            thread.join(60000);
        }
        clients.get(0).sync().forPath(COUNTER);
        long value = new DistributedAtomicLong(clients.get(0), COUNTER, new RetryForever(50)).get().postValue();
        for (long count : counts) {
            if (count > value) {
                problems.add("counted " + count + ", found " + value);
            }
        }
        for (CuratorFramework client : clients) {
            client.close();
        }
        for (String problem : problems) {
            System.out.println("problem " + problem);
        }
        System.out.println("acknowledged " + counted.get());
        System.exit(problems.isEmpty() ? 0 : 1);
    }

    static void count(CuratorFramework client) {
        DistributedAtomicLong counter = new DistributedAtomicLong(client, COUNTER, new RetryForever(50));
        long last = 0;
        try {
            while (!stopped) {
                rest();
                AtomicValue<Long> value;
                try {
                    value = counter.increment();
                } catch (KeeperException.ConnectionLossException | KeeperException.OperationTimeoutException e) {
                    continue;
                }
                if (!value.succeeded()) {
                    continue;
                }
                if (!counts.add(value.postValue()) || value.postValue() <= last) {
                    problems.add("counted " + value.postValue() + " after " + last + ", or twice");
                }
                last = value.postValue();
                counted.incrementAndGet();
            }
        } catch (Exception e) {
            e.printStackTrace();
            problems.add(e.toString());
        }
    }

    static void rest() throws InterruptedException {
        if (!paused) {
            return;
        }
        if (resting.incrementAndGet() == CLIENTS) {
            System.out.println("paused");
        }
        while (paused && !stopped) {
            Thread.sleep(5);
        }
        resting.decrementAndGet();
    }
}
