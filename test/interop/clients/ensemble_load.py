"""kazoo under faults: writes and reads at the ensemble argv[1] until standard input says stop, then checks what it was told.

"pause" is answered with "paused" when nothing is under way, until "resume". Prints "acknowledged N" and "problem ..." lines; exit code 1 when there are any.
"""

import logging
import sys
import threading

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import ConnectionClosedError, ConnectionLoss, NodeExistsError, OperationTimeoutError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.retry import KazooRetry

logging.basicConfig(level=logging.CRITICAL)
LOST = (ConnectionLoss, ConnectionClosedError, OperationTimeoutError, KazooTimeoutError)
HOME = "/kazoo"
problems = []
stopped = threading.Event()
running = threading.Event()
running.set()

client = KazooClient(
    hosts=sys.argv[1],
    timeout=20.0,
    connection_retry=KazooRetry(max_tries=-1, delay=0.05, max_delay=0.2),
)


def on_state(state):
    if state == KazooState.LOST and not stopped.is_set():
        problems.append("the session is lost")


def again(call, *args, **kwargs):
    """Until it is known what came of it."""
    while True:
        try:
            return call(*args, **kwargs)
        except LOST:
            pass


def attempt(call, *args, **kwargs):
    """None when that is not known."""
    try:
        return call(*args, **kwargs)
    except LOST:
        return None


def listen():
    for line in sys.stdin:
        if line.strip() == "pause":
            running.clear()
        elif line.strip() == "resume":
            running.set()
        else:
            break
    stopped.set()
    running.set()


client.add_listener(on_state)
client.start(timeout=20)
session = client.client_id[0]
for path in (HOME, HOME + "/counter", HOME + "/q"):
    try:
        again(client.create, path, b"0")
    except NodeExistsError:
        pass
again(client.create, HOME + "/here", b"", ephemeral=True)
threading.Thread(target=listen, daemon=True).start()
print("ready", flush=True)

sent = acked = acknowledged = 0
zxid = 0
nodes = []
while not stopped.is_set():
    if not running.is_set():
        print("paused", flush=True)
        running.wait()
    sent += 1
    if attempt(client.set, HOME + "/counter", b"%d" % sent) is not None:
        acked = sent
        acknowledged += 1
    if sent % 10 == 0:
        node = attempt(client.create, HOME + "/q/n-", b"", sequence=True)
        if node is not None:
            if nodes and node <= nodes[-1]:
                problems.append("%s after %s" % (node, nodes[-1]))
            nodes.append(node)
            acknowledged += 1
    read = attempt(client.get, HOME + "/counter")
    if read is not None:
        value = int(read[0])
        if not acked <= value <= sent:
            problems.append("read %d, acknowledged %d, sent %d" % (value, acked, sent))
        seen = client.last_zxid
        if seen < zxid:
            problems.append("zxid %x after %x" % (seen, zxid))
        zxid = seen

again(client.sync, HOME)
children = set(HOME + "/q/" + name for name in again(client.get_children, HOME + "/q"))
for node in nodes:
    if node not in children:
        problems.append("%s is lost" % node)
here = again(client.exists, HOME + "/here")
if here is None or here.owner_session_id != session:
    problems.append("the ephemeral node is gone")
if client.client_id[0] != session:
    problems.append("it is another session")
client.stop()
for problem in problems[:20]:
    print("problem", problem)
print("acknowledged", acknowledged, flush=True)
sys.exit(1 if problems else 0)
