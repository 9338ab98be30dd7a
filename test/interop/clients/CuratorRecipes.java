import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.PathChildrenCache;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.nodes.PersistentTtlNode;
import org.apache.curator.framework.recipes.queue.DistributedQueue;
import org.apache.curator.framework.recipes.queue.QueueBuilder;
import org.apache.curator.framework.recipes.queue.QueueConsumer;
import org.apache.curator.framework.recipes.queue.QueueSerializer;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.ExponentialBackoffRetry;
import org.apache.curator.retry.RetryNTimes;
import org.apache.zookeeper.CreateMode;

/** Curator's recipes, several clients at once, against the server at args[0]. Prints "ok NAME" per recipe. */
public class CuratorRecipes {
    static final int CLIENTS = 4;
    static String address;
    static List<CuratorFramework> clients = new ArrayList<>();

    interface Call {
        void run() throws Exception;
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

    static void check(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }

    static void eventually(String what, Callable<Boolean> condition) throws Exception {
        for (int tries = 0; !condition.call(); tries++) {
            check(tries < 300, what);
            Thread.sleep(50);
        }
    }

    /** Runs one task per client at the same time and waits for them. */
    static void together(java.util.function.Function<Integer, Call> task) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(CLIENTS);
        List<Future<Void>> all = new ArrayList<>();
        for (int i = 0; i < CLIENTS; i++) {
            Call call = task.apply(i);
            all.add(pool.submit(() -> {
                call.run();
                return null;
            }));
        }
        for (Future<Void> one : all) {
            one.get(60, TimeUnit.SECONDS);
        }
        pool.shutdown();
    }

    public static void main(String[] args) throws Exception {
        address = args[0];
        for (int i = 0; i < CLIENTS; i++) {
            CuratorFramework client = CuratorFrameworkFactory.newClient(address, 8000, 8000, new ExponentialBackoffRetry(100, 5));
            client.start();
            check(client.blockUntilConnected(20, TimeUnit.SECONDS), "connected");
            clients.add(client);
        }
        part("mutex", CuratorRecipes::mutex);
        part("read write lock", CuratorRecipes::readWriteLock);
        part("semaphore", CuratorRecipes::semaphore);
        part("leader latch", CuratorRecipes::leaderLatch);
        part("simple queue", CuratorRecipes::simpleQueue);
        part("queue", CuratorRecipes::queue);
        part("double barrier", CuratorRecipes::doubleBarrier);
        part("atomic long", CuratorRecipes::atomicLong);
        part("children cache", CuratorRecipes::childrenCache);
        part("cache", CuratorRecipes::cache);
        part("persistent node", CuratorRecipes::persistentNode);
        part("persistent TTL node", CuratorRecipes::persistentTtlNode);
        for (CuratorFramework client : clients) {
            client.close();
        }
        System.exit(0);
    }

    static void mutex() throws Exception {
        AtomicInteger holders = new AtomicInteger();
        AtomicInteger entered = new AtomicInteger();
        together(i -> () -> {
            InterProcessMutex mutex = new InterProcessMutex(clients.get(i), "/curator/mutex");
            for (int round = 0; round < 10; round++) {
                mutex.acquire();
                mutex.acquire();
                check(holders.incrementAndGet() == 1, "one holder");
                entered.incrementAndGet();
                holders.decrementAndGet();
                mutex.release();
                mutex.release();
            }
        });
        check(entered.get() == 10 * CLIENTS, "everyone had his turns");
    }

    static void readWriteLock() throws Exception {
        InterProcessReadWriteLock a = new InterProcessReadWriteLock(clients.get(0), "/curator/rw");
        InterProcessReadWriteLock b = new InterProcessReadWriteLock(clients.get(1), "/curator/rw");
        a.readLock().acquire();
        check(b.readLock().acquire(5, TimeUnit.SECONDS), "two readers");
        check(!b.writeLock().acquire(300, TimeUnit.MILLISECONDS), "no writer beside a reader");
        a.readLock().release();
        b.readLock().release();
        check(b.writeLock().acquire(5, TimeUnit.SECONDS), "one writer");
        check(!a.readLock().acquire(300, TimeUnit.MILLISECONDS), "no reader beside a writer");
        b.writeLock().release();
    }

    static void semaphore() throws Exception {
        InterProcessSemaphoreV2 semaphore = new InterProcessSemaphoreV2(clients.get(0), "/curator/semaphore", 2);
        Lease first = semaphore.acquire();
        semaphore.acquire();
        InterProcessSemaphoreV2 other = new InterProcessSemaphoreV2(clients.get(1), "/curator/semaphore", 2);
        check(other.acquire(300, TimeUnit.MILLISECONDS) == null, "no third lease");
        semaphore.returnLease(first);
        check(other.acquire(5, TimeUnit.SECONDS) != null, "a returned lease");
    }

    static void leaderLatch() throws Exception {
        List<LeaderLatch> latches = new ArrayList<>();
        for (CuratorFramework client : clients) {
            LeaderLatch latch = new LeaderLatch(client, "/curator/leader", "id" + latches.size());
            latch.start();
            latches.add(latch);
        }
        for (int left = CLIENTS; left > 0; left--) {
            eventually("a leader", () -> latches.stream().anyMatch(LeaderLatch::hasLeadership));
            LeaderLatch leader = latches.stream().filter(LeaderLatch::hasLeadership).findFirst().get();
            check(latches.stream().filter(LeaderLatch::hasLeadership).count() == 1, "one leader");
            latches.remove(leader);
            leader.close();
        }
    }

    static void simpleQueue() throws Exception {
        SimpleDistributedQueue queue = new SimpleDistributedQueue(clients.get(0), "/curator/simple");
        Set<String> taken = Collections.synchronizedSet(new TreeSet<>());
        for (int i = 0; i < 20; i++) {
            queue.offer(("item" + i).getBytes());
        }
        together(i -> () -> {
            SimpleDistributedQueue mine = new SimpleDistributedQueue(clients.get(i), "/curator/simple");
            for (int round = 0; round < 20 / CLIENTS; round++) {
                check(taken.add(new String(mine.take())), "nothing is taken twice");
            }
        });
        check(taken.size() == 20 && queue.poll() == null, "everything was taken");
    }

    static void queue() throws Exception {
        BlockingQueue<String> consumed = new LinkedBlockingQueue<>();
        QueueSerializer<String> serializer = new QueueSerializer<>() {
            @Override
            public byte[] serialize(String item) {
                return item.getBytes();
            }

            @Override
            public String deserialize(byte[] bytes) {
                return new String(bytes);
            }
        };
        QueueConsumer<String> consumer = new QueueConsumer<>() {
            @Override
            public void consumeMessage(String message) {
                consumed.add(message);
            }

            @Override
            public void stateChanged(CuratorFramework client, ConnectionState state) {
            }
        };
        DistributedQueue<String> queue = QueueBuilder.builder(clients.get(0), consumer, serializer, "/curator/queue").buildQueue();
        DistributedQueue<String> producer = QueueBuilder.builder(clients.get(1), null, serializer, "/curator/queue").buildQueue();
        queue.start();
        producer.start();
        for (int i = 0; i < 20; i++) {
            producer.put("item" + i);
        }
        for (int i = 0; i < 20; i++) {
            check(("item" + i).equals(consumed.poll(20, TimeUnit.SECONDS)), "items in order");
        }
        queue.close();
        producer.close();
    }

    static void doubleBarrier() throws Exception {
        AtomicInteger inside = new AtomicInteger();
        together(i -> () -> {
            DistributedDoubleBarrier barrier = new DistributedDoubleBarrier(clients.get(i), "/curator/barrier", CLIENTS);
            inside.incrementAndGet();
            check(barrier.enter(30, TimeUnit.SECONDS), "entered");
            check(inside.get() == CLIENTS, "nobody goes on before all are there");
            check(barrier.leave(30, TimeUnit.SECONDS), "left");
        });
    }

    static void atomicLong() throws Exception {
        together(i -> () -> {
            DistributedAtomicLong number = new DistributedAtomicLong(clients.get(i), "/curator/long", new RetryNTimes(1000, 5));
            for (int round = 0; round < 25; round++) {
                check(number.increment().succeeded(), "incremented");
            }
        });
        DistributedAtomicLong number = new DistributedAtomicLong(clients.get(0), "/curator/long", new RetryNTimes(10, 5));
        check(number.get().postValue() == 25L * CLIENTS, "no increment is lost");
    }

    static void childrenCache() throws Exception {
        CuratorFramework client = clients.get(0);
        client.create().creatingParentsIfNeeded().forPath("/curator/children/a", "1".getBytes());
        try (PathChildrenCache cache = new PathChildrenCache(clients.get(1), "/curator/children", true)) {
            cache.start(PathChildrenCache.StartMode.BUILD_INITIAL_CACHE);
            check(cache.getCurrentData().size() == 1, "initial children");
            client.create().forPath("/curator/children/b", "2".getBytes());
            client.setData().forPath("/curator/children/a", "3".getBytes());
            eventually("changes arrive", () -> cache.getCurrentData().size() == 2
                && new String(cache.getCurrentData("/curator/children/a").getData()).equals("3"));
            client.delete().forPath("/curator/children/a");
            eventually("a child goes", () -> cache.getCurrentData().size() == 1);
        }
    }

    /** Uses a persistent recursive watch. */
    static void cache() throws Exception {
        CuratorFramework client = clients.get(0);
        Set<String> seen = Collections.synchronizedSet(new TreeSet<>());
        try (CuratorCache cache = CuratorCache.build(clients.get(1), "/curator/tree")) {
            cache.listenable().addListener((type, before, after) -> seen.add(type + " " + (after == null ? before : after).getPath()));
            cache.start();
            client.create().creatingParentsIfNeeded().forPath("/curator/tree/a/b", "1".getBytes());
            eventually("creations", () -> seen.contains("NODE_CREATED /curator/tree/a/b") && cache.size() == 3);
            client.setData().forPath("/curator/tree/a/b", "2".getBytes());
            eventually("a change", () -> seen.contains("NODE_CHANGED /curator/tree/a/b"));
            client.delete().deletingChildrenIfNeeded().forPath("/curator/tree/a");
            eventually("deletions", () -> seen.contains("NODE_DELETED /curator/tree/a/b") && cache.size() == 1);
        }
    }

    static void persistentNode() throws Exception {
        CuratorFramework owner = CuratorFrameworkFactory.newClient(address, 8000, 8000, new ExponentialBackoffRetry(100, 5));
        owner.start();
        try (PersistentNode node = new PersistentNode(owner, CreateMode.EPHEMERAL, false, "/curator/persistent", "x".getBytes())) {
            node.start();
            check(node.waitForInitialCreate(20, TimeUnit.SECONDS), "created");
            clients.get(0).delete().forPath("/curator/persistent");
            eventually("made again", () -> clients.get(0).checkExists().forPath("/curator/persistent") != null);
        }
        owner.close();
        eventually("gone with its owner", () -> clients.get(0).checkExists().forPath("/curator/persistent") == null);
    }

    static void persistentTtlNode() throws Exception {
        PersistentTtlNode node = new PersistentTtlNode(clients.get(0), "/curator/ttl", 2000, "x".getBytes());
        node.start();
        check(node.waitForInitialCreate(20, TimeUnit.SECONDS), "created");
        Thread.sleep(3500);
        check(clients.get(1).checkExists().forPath("/curator/ttl") != null, "kept alive by its owner");
        node.close();
    }
}
