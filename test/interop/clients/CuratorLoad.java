import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryForever;

/**
 * Curator under faults: sessions that count in turn under a lock at the ensemble args[0] until standard input says stop.
 * Every count must be there in the end, none twice. "pause" is answered with "paused" when nothing is under way, until
 * "resume". Prints "acknowledged N" and "problem ..." lines; exit code 1 when
 * there are any.
 */
public class CuratorLoad {
    static final int CLIENTS = 3;
    static final String COUNTER = "/curator-load/counter";
    static final List<String> problems = Collections.synchronizedList(new ArrayList<>());
    static final AtomicInteger holders = new AtomicInteger();
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
        clients.get(0).create().orSetData().creatingParentsIfNeeded().forPath(COUNTER, bytes(0));
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
        int value = number(clients.get(0).getData().forPath(COUNTER));
        if (value != counted.get()) {
            problems.add("counted " + counted.get() + ", found " + value);
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
        InterProcessMutex mutex = new InterProcessMutex(client, "/curator-load/mutex");
        try {
            while (!stopped) {
                rest();
                mutex.acquire();
                try {
                    if (holders.incrementAndGet() != 1) {
                        problems.add("two hold the lock");
                    }
                    client.setData().forPath(COUNTER, bytes(number(client.getData().forPath(COUNTER)) + 1));
                    counted.incrementAndGet();
                    holders.decrementAndGet();
                } finally {
                    mutex.release();
                }
            }
        } catch (Exception e) {
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

    static byte[] bytes(int n) {
        return String.valueOf(n).getBytes(StandardCharsets.UTF_8);
    }

    static int number(byte[] data) {
        return Integer.parseInt(new String(data, StandardCharsets.UTF_8));
    }
}
