"""kazoo's API and recipes against the server at argv[1]. Prints "ok NAME" per part; exit code 1 at a surprise."""

import logging
import sys
import threading
import time
import traceback

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import (
    BadVersionError,
    InvalidACLError,
    NoAuthError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    RolledBackError,
    RuntimeInconsistency,
)
from kazoo.protocol.states import EventType
from kazoo.security import make_acl, make_digest_acl

ADDRESS = sys.argv[1]
logging.basicConfig(level=logging.ERROR)


def connect(**options):
    client = KazooClient(hosts=ADDRESS, timeout=8.0, **options)
    client.start(timeout=20)
    return client


def raises(error, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except error:
        return
    raise AssertionError("expected %s" % error)


def eventually(what, condition):
    end = time.time() + 20
    while not condition():
        assert time.time() < end, what
        time.sleep(0.02)


def nodes(zk):
    assert zk.create("/k/nodes", b"one", makepath=True) == "/k/nodes"
    raises(NodeExistsError, zk.create, "/k/nodes")
    raises(NoNodeError, zk.create, "/none/x")
    data, stat = zk.get("/k/nodes")
    assert data == b"one" and stat.version == 0 and stat.dataLength == 3
    assert zk.set("/k/nodes", b"two", version=0).version == 1
    raises(BadVersionError, zk.set, "/k/nodes", b"", version=0)
    path, stat = zk.create("/k/nodes/s-", b"", sequence=True, include_data=True)
    assert path == "/k/nodes/s-0000000000" and stat.numChildren == 0
    assert zk.create("/k/nodes/e-", ephemeral=True, sequence=True) == "/k/nodes/e-0000000001"
    children, stat = zk.get_children("/k/nodes", include_data=True)
    assert sorted(children) == ["e-0000000001", "s-0000000000"] and stat.cversion == 2
    raises(NotEmptyError, zk.delete, "/k/nodes")
    zk.delete("/k/nodes", recursive=True)
    assert zk.exists("/k/nodes") is None
    zk.ensure_path("/k/\u0436/\u65e5\u672c")
    assert zk.get_children("/k/\u0436") == ["\u65e5\u672c"]
    assert zk.sync("/k") == "/k"
    assert zk.server_version()[:1] >= (3,)


def transactions(zk):
    with zk.transaction() as t:
        t.check("/k", version=0)
        t.create("/k/t", b"x")
        t.set_data("/k/t", b"y", version=0)
    assert zk.get("/k/t")[0] == b"y"
    t = zk.transaction()
    t.delete("/k/t")
    t.check("/k", version=9)
    t.create("/k/u")
    first, second, third = t.commit()
    assert isinstance(first, RolledBackError) and isinstance(second, BadVersionError), (first, second)
    assert isinstance(third, RuntimeInconsistency), third
    assert zk.exists("/k/t")


def access(zk):
    bob = connect(auth_data=[("digest", "bob:pw")])
    bob.create("/k/acl", b"secret", acl=[make_digest_acl("bob", "pw", all=True)])
    raises(NoAuthError, zk.get, "/k/acl")
    raises(InvalidACLError, zk.create, "/k/acl2", acl=[make_acl("nobody", "x", all=True)])
    assert bob.get_acls("/k/acl")[0][0].id.id == "bob:ikIaKsbtGweaHnb/jKn7OHqbunM="
    bob.add_auth("digest", "ann:pw")
    bob.set_acls("/k/acl", [make_digest_acl("ann", "pw", all=True)])
    assert bob.get("/k/acl")[0] == b"secret"
    stop(bob)


def watches(zk):
    seen = []
    assert zk.exists("/k/w", watch=seen.append) is None
    zk.create("/k/w")
    eventually("created", lambda: [e.type for e in seen] == [EventType.CREATED])
    zk.get("/k/w", watch=seen.append)
    zk.set("/k/w", b"x")
    eventually("changed", lambda: len(seen) == 2 and seen[1].type == EventType.CHANGED)
    zk.get_children("/k/w", watch=seen.append)
    zk.create("/k/w/c")
    eventually("child", lambda: len(seen) == 3 and seen[2].type == EventType.CHILD)

    values, names = [], []
    zk.DataWatch("/k/data", lambda data, stat: values.append(data))
    zk.create("/k/data", b"0")
    for i in range(1, 4):
        zk.set("/k/data", b"%d" % i)
        eventually("value %d" % i, lambda: values[-1] == b"%d" % i)
    zk.delete("/k/data")
    eventually("gone", lambda: values[-1] is None)
    zk.ensure_path("/k/kids")
    zk.ChildrenWatch("/k/kids", lambda children: names.append(sorted(children)))
    zk.create("/k/kids/a")
    eventually("a", lambda: names[-1] == ["a"])
    zk.create("/k/kids/b")
    eventually("a, b", lambda: names[-1] == ["a", "b"])


def together(task, count=4):
    """Runs task(client, number) in `count` threads, each with its own client."""
    errors = []

    def one(number):
        client = connect()
        try:
            task(client, number)
        except Exception:
            errors.append(traceback.format_exc())
        finally:
            stop(client)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors, "\n".join(errors)
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"


def lock(zk):
    inside = []

    def task(client, number):
        lock = client.Lock("/k/lock", str(number))
        for _ in range(5):
            with lock:
                inside.append(number)
                assert len(inside) == 1
                inside.pop()

    together(task)
    held = zk.Lock("/k/lock", "me")
    assert held.acquire()
    other = connect()
    assert not other.Lock("/k/lock", "you").acquire(blocking=False)
    held.release()
    stop(other)


def election(zk):
    led = []

    def task(client, number):
        client.Election("/k/election", str(number)).run(lambda: led.append(number))

    together(task)
    assert sorted(led) == [0, 1, 2, 3], led


def barriers(zk):
    barrier = zk.Barrier("/k/barrier")
    barrier.create()
    assert not barrier.wait(0.2)
    passed = []
    other = connect()
    thread = threading.Thread(target=lambda: passed.append(other.Barrier("/k/barrier").wait(20)))
    thread.start()
    barrier.remove()
    thread.join(20)
    assert passed == [True], passed
    stop(other)
    entered = []

    def task(client, number):
        double = client.DoubleBarrier("/k/double", 4)
        entered.append(number)
        double.enter()
        assert len(entered) == 4
        double.leave()

    together(task)


def queues(zk):
    queue = zk.Queue("/k/queue")
    for i in range(10):
        queue.put(b"%d" % i, priority=100 - i)
    assert [queue.get() for _ in range(10)] == [b"%d" % i for i in reversed(range(10))]
    assert queue.get() is None
    taken = []
    locking = zk.LockingQueue("/k/locking")
    locking.put_all([b"%d" % i for i in range(12)])

    def task(client, number):
        mine = client.LockingQueue("/k/locking")
        for _ in range(3):
            taken.append(mine.get(20))
            assert mine.consume()

    together(task)
    assert sorted(taken) == sorted(b"%d" % i for i in range(12)), taken


def counter(zk):
    def task(client, number):
        mine = client.Counter("/k/counter")
        for _ in range(10):
            mine += 1

    together(task)
    assert zk.Counter("/k/counter").value == 40


def party(zk):
    me = zk.Party("/k/party", "me")
    me.join()
    other = connect()
    you = other.Party("/k/party", "you")
    you.join()
    assert sorted(me) == ["me", "you"]
    stop(other)
    eventually("left with its session", lambda: list(me) == ["me"])


def states(zk):
    """A session survives a lost connection, and its states are told."""
    states = []
    client = connect()
    client.add_listener(lambda state: states.append(state) and None)
    client.create("/k/session", ephemeral=True)
    session = client.client_id[0]
    client._connection._socket.shutdown(2)
    eventually("suspended", lambda: KazooState.SUSPENDED in states)
    eventually("connected again", lambda: states[-1] == KazooState.CONNECTED)
    assert client.client_id[0] == session
    assert zk.exists("/k/session").ephemeralOwner == session
    stop(client)
    assert zk.exists("/k/session") is None
    assert states[-1] == KazooState.LOST


def stop(client):
    client.stop()
    client.close()


def main():
    zk = connect()
    for part in (nodes, transactions, access, watches, lock, election, barriers, queues, counter, party, states):
        try:
            part(zk)
        except Exception:
            print("FAILED %s" % part.__name__)
            traceback.print_exc(file=sys.stdout)
            sys.stdout.flush()
            sys.exit(1)
        print("ok %s" % part.__name__)
        sys.stdout.flush()
    stop(zk)


main()
