/*
 * The C client (libzookeeper_mt) against the server at argv[1]: its synchronous and asynchronous calls, watches,
 * multi, access, resume by session id and password, and expiry of a wrong one. Prints "ok NAME" per part and ends with
 * exit code 1 at the first surprise.
 */
#define THREADED
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zookeeper/zookeeper.h>

#define CHECK(condition)                                                        \
  do {                                                                          \
    if (!(condition)) {                                                         \
      printf("FAILED at line %d: %s\n", __LINE__, #condition);                  \
      exit(1);                                                                  \
    }                                                                           \
  } while (0)

#define IS(code, call)                                                          \
  do {                                                                          \
    int got_ = (call);                                                          \
    if (got_ != (code)) {                                                       \
      printf("FAILED at line %d: %s gave %s\n", __LINE__, #call, zerror(got_)); \
      exit(1);                                                                  \
    }                                                                           \
  } while (0)

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

/* What a handle's watcher has been told; one per handle. */
struct seen {
  int state;
  int types[32];
  char paths[32][64];
  int count;
};

static void on_event(zhandle_t *zh, int type, int state, const char *path, void *context) {
  struct seen *seen = context;
  (void)zh;
  pthread_mutex_lock(&mutex);
  if (type == ZOO_SESSION_EVENT) {
    seen->state = state;
  } else if (seen->count < 32) {
    seen->types[seen->count] = type;
    snprintf(seen->paths[seen->count++], 64, "%s", path);
  }
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&mutex);
}

static int wait_for(int *value, int wanted) {
  struct timespec end;
  int in_time = 0;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += 20;
  pthread_mutex_lock(&mutex);
  while (*value != wanted && in_time == 0) in_time = pthread_cond_timedwait(&changed, &mutex, &end);
  pthread_mutex_unlock(&mutex);
  return *value == wanted;
}

static zhandle_t *open_client(const char *address, struct seen *seen, const clientid_t *id) {
  memset(seen, 0, sizeof *seen);
  zhandle_t *zh = zookeeper_init(address, on_event, 8000, id, seen, 0);
  CHECK(zh != NULL);
  return zh;
}

static void nodes(zhandle_t *zh) {
  char name[256], buffer[256];
  int length = sizeof buffer;
  struct Stat stat;
  struct String_vector children;
  IS(ZOK, zoo_create(zh, "/c", "one", 3, &ZOO_OPEN_ACL_UNSAFE, 0, name, sizeof name));
  CHECK(strcmp(name, "/c") == 0);
  IS(ZNODEEXISTS, zoo_create(zh, "/c", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
  IS(ZNONODE, zoo_create(zh, "/none/x", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
  IS(ZOK, zoo_get(zh, "/c", 0, buffer, &length, &stat));
  CHECK(length == 3 && memcmp(buffer, "one", 3) == 0 && stat.version == 0 && stat.czxid == stat.mzxid);
  IS(ZOK, zoo_set2(zh, "/c", "second", 6, 0, &stat));
  CHECK(stat.version == 1 && stat.dataLength == 6 && stat.mzxid > stat.czxid);
  IS(ZBADVERSION, zoo_set(zh, "/c", "", 0, 0));
  IS(ZOK, zoo_set(zh, "/c", NULL, -1, -1));
  length = sizeof buffer;
  IS(ZOK, zoo_get(zh, "/c", 0, buffer, &length, NULL));
  CHECK(length == -1);
  IS(ZOK, zoo_create(zh, "/c/s", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT_SEQUENTIAL, name, sizeof name));
  CHECK(strcmp(name, "/c/s0000000000") == 0);
  IS(ZOK, zoo_create2(zh, "/c/e", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, name, sizeof name, &stat));
  CHECK(stat.ephemeralOwner == zoo_client_id(zh)->client_id);
  IS(ZNOCHILDRENFOREPHEMERALS, zoo_create(zh, "/c/e/x", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
  IS(ZOK, zoo_create(zh, "/c/k", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_CONTAINER, NULL, 0));
  IS(ZOK, zoo_create2_ttl(zh, "/c/t", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT_WITH_TTL, 60000, name, sizeof name, &stat));
  CHECK(stat.ephemeralOwner == 0);
  IS(ZOK, zoo_get_children2(zh, "/c", 0, &children, &stat));
  CHECK(children.count == 4 && stat.numChildren == 4 && stat.cversion == 4);
  deallocate_String_vector(&children);
  IS(ZNOTEMPTY, zoo_delete(zh, "/c", -1));
  IS(ZOK, zoo_delete(zh, "/c/e", 0));
  IS(ZNONODE, zoo_exists(zh, "/c/e", 0, &stat));
}

static void string_done(int rc, const char *value, const void *data) {
  (void)value;
  pthread_mutex_lock(&mutex);
  if (rc == ZOK) *(int *)data += 1;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&mutex);
}

static void pipelining(zhandle_t *zh) {
  static int created, synced;
  int i;
  for (i = 0; i < 1000; i++) {
    IS(ZOK, zoo_acreate(zh, "/c/p", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT_SEQUENTIAL, string_done, &created));
  }
  CHECK(wait_for(&created, 1000));
  IS(ZOK, zoo_async(zh, "/c", string_done, &synced));
  CHECK(wait_for(&synced, 1));
}

static void multi(zhandle_t *zh) {
  zoo_op_t ops[4];
  zoo_op_result_t results[4];
  char name[64];
  struct Stat stat;
  zoo_check_op_init(&ops[0], "/c", -1);
  zoo_create_op_init(&ops[1], "/c/m", "x", 1, &ZOO_OPEN_ACL_UNSAFE, 0, name, sizeof name);
  zoo_set_op_init(&ops[2], "/c/m", "y", 1, 0, &stat);
  zoo_delete_op_init(&ops[3], "/c/m", 1);
  IS(ZOK, zoo_multi(zh, 4, ops, results));
  CHECK(strcmp(name, "/c/m") == 0 && stat.version == 1);
  zoo_delete_op_init(&ops[2], "/c/none", -1);
  IS(ZNONODE, zoo_multi(zh, 4, ops, results));
  CHECK(results[0].err == ZOK && results[2].err == ZNONODE && results[3].err == ZRUNTIMEINCONSISTENCY);
  IS(ZNONODE, zoo_exists(zh, "/c/m", 0, NULL));
}

static void watches(zhandle_t *zh, zhandle_t *writer, struct seen *seen) {
  static struct seen other;
  struct String_vector children;
  IS(ZNONODE, zoo_wexists(zh, "/c/w", on_event, &other, NULL));
  IS(ZOK, zoo_create(writer, "/c/w", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
  CHECK(wait_for(&other.count, 1) && other.types[0] == ZOO_CREATED_EVENT);
  char buffer[8];
  int length = sizeof buffer;
  IS(ZOK, zoo_get(zh, "/c/w", 1, buffer, &length, NULL));
  IS(ZOK, zoo_get_children(zh, "/c/w", 1, &children));
  deallocate_String_vector(&children);
  IS(ZOK, zoo_set(writer, "/c/w", "x", 1, -1));
  CHECK(wait_for(&seen->count, 1) && seen->types[0] == ZOO_CHANGED_EVENT);
  IS(ZOK, zoo_create(writer, "/c/w/x", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
  CHECK(wait_for(&seen->count, 2) && seen->types[1] == ZOO_CHILD_EVENT && strcmp(seen->paths[1], "/c/w") == 0);
  IS(ZOK, zoo_wget(zh, "/c/w", on_event, &other, buffer, &length, NULL));
  IS(ZOK, zoo_remove_watches(zh, "/c/w", ZWATCHTYPE_DATA, on_event, &other, 0));
  IS(ZOK, zoo_set(writer, "/c/w", "y", 1, -1));
  IS(ZOK, zoo_exists(zh, "/c/w", 0, NULL));
  CHECK(seen->count == 2);
}

static void auth_done(int rc, const void *data) {
  string_done(rc, NULL, data);
}

static void access_control(zhandle_t *zh, zhandle_t *other) {
  static int added;
  char buffer[8];
  int length = sizeof buffer;
  struct ACL_vector acl;
  struct Stat stat;
  IS(ZOK, zoo_add_auth(zh, "digest", "bob:pw", 6, auth_done, &added));
  CHECK(wait_for(&added, 1));
  IS(ZOK, zoo_create(zh, "/c/acl", "", 0, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0));
  IS(ZNOAUTH, zoo_get(other, "/c/acl", 0, buffer, &length, NULL));
  IS(ZINVALIDACL, zoo_create(other, "/c/acl2", "", 0, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0));
  IS(ZOK, zoo_get_acl(zh, "/c/acl", &acl, &stat));
  CHECK(acl.count == 1 && strcmp(acl.data[0].id.id, "bob:ikIaKsbtGweaHnb/jKn7OHqbunM=") == 0);
  deallocate_ACL_vector(&acl);
  IS(ZOK, zoo_set_acl(zh, "/c/acl", 0, &ZOO_OPEN_ACL_UNSAFE));
  length = sizeof buffer;
  IS(ZOK, zoo_get(other, "/c/acl", 0, buffer, &length, NULL));
}

/* A second handle takes the session over; one with a wrong password is told that it has expired. */
static void resume(const char *address) {
  struct seen first, second, wrong;
  zhandle_t *zh = open_client(address, &first, NULL);
  CHECK(wait_for(&first.state, ZOO_CONNECTED_STATE));
  IS(ZOK, zoo_create(zh, "/c/resume", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, NULL, 0));
  clientid_t id = *zoo_client_id(zh);
  clientid_t bad = id;
  bad.passwd[0] ^= 1;
  zhandle_t *refused = open_client(address, &wrong, &bad);
  CHECK(wait_for(&wrong.state, ZOO_EXPIRED_SESSION_STATE));
  zookeeper_close(refused);
  zhandle_t *again = open_client(address, &second, &id);
  CHECK(wait_for(&second.state, ZOO_CONNECTED_STATE));
  CHECK(zoo_client_id(again)->client_id == id.client_id);
  struct Stat stat;
  IS(ZOK, zoo_exists(again, "/c/resume", 0, &stat));
  CHECK(stat.ephemeralOwner == id.client_id);
  IS(ZOK, zookeeper_close(again));
  zookeeper_close(zh);
}

int main(int argc, char **argv) {
  struct seen seen, other_seen;
  CHECK(argc == 2);
  setvbuf(stdout, NULL, _IOLBF, 0);
  zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
  zhandle_t *zh = open_client(argv[1], &seen, NULL);
  zhandle_t *other = open_client(argv[1], &other_seen, NULL);
  CHECK(wait_for(&seen.state, ZOO_CONNECTED_STATE) && wait_for(&other_seen.state, ZOO_CONNECTED_STATE));
  nodes(zh);
  printf("ok nodes\n");
  pipelining(zh);
  printf("ok pipelining\n");
  multi(zh);
  printf("ok multi\n");
  watches(zh, other, &seen);
  printf("ok watches\n");
  access_control(zh, other);
  printf("ok access\n");
  resume(argv[1]);
  printf("ok resume\n");
  IS(ZOK, zookeeper_close(zh));
  IS(ZNONODE, zoo_exists(other, "/c/resume", 0, NULL));
  IS(ZOK, zookeeper_close(other));
  printf("ok close\n");
  return 0;
}
