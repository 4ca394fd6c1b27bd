/* SPDX-License-Identifier: MIT
 *
 * csrc without Python, for ThreadSanitizer (./dev tsan): Python's part is
 * played by threads that do, at the same time, what Python's threads may do.
 * Every mode serves clients that come, talk, reset and leave, until stop().
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "api/callbacks/events.h"
#include "api/driver.h"
#include "api/hub.h"
#include "api/log.h"
#include "api/process.h"
#include "api/pump.h"
#include "api/session.h"
#include "api/upgrade.h"

#define CLIENTS 4
#define WRITERS 3
#define PUMPS 2
#define PLACES 256
#define WRITES 64
#define PIECE 20000

/* What the hub's connections are to send: Output.out in Python. */
struct writes
{
  pthread_mutex_t lock;
  int32_t places[WRITES];
  int count;
};

/* One libmicrohttpd daemon and the thread that Python gives it, or two of them that
   take turns, as the threads of an application's event loop may. */
struct server
{
  struct pymhd_driver *driver;
  pthread_t drivers[2];
  unsigned int driver_count;
  pthread_mutex_t turns;
  bool stopped;                 /* both of turns */
  int patience;
  atomic_bool stopping;
  struct writes out;
  atomic_int_fast64_t sessions[PLACES]; /* of the hub's places, 0 for none */
};

struct stream
{
  int64_t session;
  int fd;
};

static struct pymhd_response *hello;
static struct pymhd_response *echo;
static struct pymhd_response *hub_echo;
static struct server servers[PUMPS];
static unsigned int server_count;
static struct sockaddr_in address;
static struct pymhd_quota quota = { .limit = 100 };
static atomic_bool enough;
static atomic_uint streams;
static atomic_uint answered;
static atomic_uint upgraded;


static void
must (bool holds,
      const char *what)
{
  if (holds)
    return;
  (void) fprintf (stderr, "races: failed: %s\n", what);
  exit (1);
}


static void
nap (void)
{
  const struct timespec millisecond = { .tv_nsec = 1000000 };

  (void) nanosleep (&millisecond, NULL);
}


/* --- what Python does with an upgraded connection --- */

static void *
serve_stream (void *cls)
{
  struct stream stream = *(struct stream *) cls;
  char bytes[4096];
  ssize_t size;

  free (cls);
  while ( (0 < (size = recv (stream.fd, bytes, sizeof (bytes), 0))) &&
          (0 < send (stream.fd, bytes, (size_t) size, MSG_NOSIGNAL)) )
    ;
  (void) close (stream.fd);
  (void) pymhd_session_close (stream.session);
  (void) pymhd_session_close (stream.session);
  atomic_fetch_sub (&streams, 1);
  return NULL;
}


static void
begin_stream (const struct pymhd_event *event)
{
  struct stream *const stream = malloc (sizeof (*stream));
  pthread_t thread;

  must (NULL != stream, "malloc");
  *stream = (struct stream) { event->session, (int) event->fd };
  atomic_fetch_add (&streams, 1);
  must (0 == pthread_create (&thread, NULL, &serve_stream, stream), "a thread");
  (void) pthread_detach (thread);
}


/* --- what csrc calls --- */

static struct pymhd_response *
response_for (const char *text,
              int64_t size)
{
  if (NULL == memmem (text, (size_t) size, "Upgrade", 7))
    return hello;
  return NULL == memmem (text, (size_t) size, "/hub", 4) ? echo : hub_echo;
}


struct pymhd_response *
pymhd_on_request (int64_t owner,
                  const struct pymhd_event *event,
                  const char *text)
{
  struct pymhd_response *const response = response_for (text, event->text_end);

  (void) owner;
  pymhd_response_ref (response);
  return response;
}


void
pymhd_on_upgraded (int64_t owner,
                   const struct pymhd_event *event,
                   const char *text)
{
  (void) owner;
  (void) text;
  begin_stream (event);
}


void
pymhd_on_abandoned (int64_t owner,
                    int64_t request)
{
  (void) owner;
  (void) request;
}


/* --- the driver's thread --- */

static void
handle (struct server *server,
        const struct pymhd_batch *batch)
{
  const char *text = batch->text;
  int i;

  for (i = 0; i < batch->count; i++)
  {
    const struct pymhd_event *const event = &batch->events[i];
    const char *const end = batch->text + event->text_end;
    const char *const begin = text;
    struct pymhd_answer answer = { .request = event->request };

    text = end;

    if (PYMHD_EVENT_UPGRADED == event->kind)
      begin_stream (event);
    if (PYMHD_EVENT_REQUEST != event->kind)
      continue;
    answer.shared = (int64_t) (intptr_t)
                    response_for (begin, end - begin);
    pymhd_pump_answer (server->driver, (const char *) &answer, sizeof (answer));
  }
}


/* --- what Python does with the hub's connections, on the thread that pumps --- */

/* Sends what others have asked for, to one and to all who have asked. */
static void
flush (struct server *server)
{
  static const char bytes[PIECE];
  struct writes *const out = &server->out;
  int32_t places[WRITES];
  int count;

  (void) pthread_mutex_lock (&out->lock);
  count = out->count;
  memcpy (places, out->places, sizeof (places));
  out->count = 0;
  (void) pthread_mutex_unlock (&out->lock);
  if (0 == count)
    return;
  (void) pymhd_hub_send (pymhd_driver_hub (server->driver), places[0], bytes, PIECE);
  (void) pymhd_hub_broadcast (pymhd_driver_hub (server->driver), places, count,
                              bytes, PIECE);
}


static void
deal_with (struct server *server,
           const struct pymhd_hub *hub,
           const struct pymhd_hub_event *event)
{
  const int32_t place = (int32_t) event->connection;

  switch (event->kind)
  {
  case PYMHD_HUB_MADE:
    if (PLACES > place)
      atomic_store (&server->sessions[place], event->second);
    pymhd_session_limit (event->second, 100);
    break;
  case PYMHD_HUB_DATA:
    (void) pymhd_hub_send (pymhd_driver_hub (server->driver), place,
                           hub->arena + event->first,
                           (size_t) (event->second - event->first));
    break;
  case PYMHD_HUB_EOF:
    pymhd_hub_close (pymhd_driver_hub (server->driver), place, 0);
    break;
  case PYMHD_HUB_LOST:
    if (PLACES > place)
      atomic_store (&server->sessions[place], 0);
    pymhd_hub_release (pymhd_driver_hub (server->driver), &place, 1);
    break;
  default:
    break;
  }
}


static void
deliver (struct server *server)
{
  struct pymhd_hub *const hub = pymhd_driver_hub (server->driver);
  bool again = true;
  int i;

  while (again)
  {
    for (i = 0; i < hub->count; i++)
      deal_with (server, hub,
                 (const struct pymhd_hub_event *) hub->events + i);
    again = 0 != hub->is_full;
    hub->count = 0;
    if (again)
      pymhd_hub_collect (pymhd_driver_hub (server->driver));
  }
}


static bool
is_busy (struct server *server)
{
  return (0 != pymhd_driver_requests (server->driver)) ||
         (0 != pymhd_driver_upgraded (server->driver));
}


/* One turn, with the lock that this needs.  False when it has been stopped. */
static bool
turn (struct server *server)
{
  const bool stopping = atomic_load (&server->stopping);
  const int timeout_ms = 1 < server->driver_count ? 0 : -1;
  const struct pymhd_batch *batch;

  if (server->stopped)
    return false;
  if ( (stopping) && (2000 == server->patience--) )
    pymhd_driver_quiesce (server->driver);
  flush (server);
  batch = pymhd_pump (server->driver, stopping ? 1 : timeout_ms);
  must (NULL != batch, "pymhd_pump()");
  handle (server, batch);
  deliver (server);
  if ( (! stopping) ||
       ( (is_busy (server)) && (0 < server->patience) ) )
    return true;
  pymhd_driver_stop (server->driver);
  server->stopped = true;
  return false;
}


static void *
drive (void *cls)
{
  struct server *const server = cls;
  bool goes_on = true;

  while (goes_on)
  {
    (void) pthread_mutex_lock (&server->turns);
    goes_on = turn (server);
    (void) pthread_mutex_unlock (&server->turns);
    if (1 < server->driver_count)
      nap ();                   /* the other one's turn */
  }
  return NULL;
}


/* --- clients --- */

static void
talk (unsigned int *dice)
{
  static const char get[] = "GET / HTTP/1.1\r\nHost: t\r\n\r\n";
  static const char upgrade[] = "GET / HTTP/1.1\r\nHost: t\r\n"
                                "Connection: Upgrade\r\nUpgrade: echo\r\n\r\nearly";
  static const char hub[] = "GET /hub HTTP/1.1\r\nHost: t\r\n"
                            "Connection: Upgrade\r\nUpgrade: echo\r\n\r\nearly";
  const struct linger at_once = { .l_onoff = 1 };
  const struct timeval limit = { .tv_usec = 20000 };
  const bool upgrades = 0 != rand_r (dice) % 3;
  const char *const switching = 0 != rand_r (dice) % 2 ? upgrade : hub;
  const char *const request = upgrades ? switching : get;
  const int sock = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  char bytes[4096];

  (void) setsockopt (sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof (limit));
  if (0 == connect (sock, (const struct sockaddr *) &address, sizeof (address)))
  {
    (void) send (sock, request, strlen (request), MSG_NOSIGNAL);
    if ( (0 != rand_r (dice) % 4) &&
         (0 < recv (sock, bytes, sizeof (bytes), 0)) )
      atomic_fetch_add (upgrades ? &upgraded : &answered, 1);
    if (0 == rand_r (dice) % 4)
      (void) shutdown (sock, SHUT_WR);
    if (0 == rand_r (dice) % 3)
      (void) recv (sock, bytes, sizeof (bytes), upgrades ? 0 : MSG_DONTWAIT);
    if (0 == rand_r (dice) % 3)
      (void) setsockopt (sock, SOL_SOCKET, SO_LINGER, &at_once, sizeof (at_once));
  }
  (void) close (sock);
}


static void *
be_a_client (void *cls)
{
  unsigned int dice = *(const unsigned int *) cls;

  while (! atomic_load (&enough))
    talk (&dice);
  return NULL;
}


/* --- what else Python's threads may do at any time --- */

/* As Transport.write() and its like do on other threads than the pump's. */
static void
write_to (struct server *server,
          int32_t place)
{
  struct writes *const out = &server->out;
  const int64_t session = atomic_load (&server->sessions[place]);
  int fd;

  if (0 == session)
    return;
  (void) pthread_mutex_lock (&out->lock);
  if (WRITES > out->count)
    out->places[out->count++] = place;
  (void) pthread_mutex_unlock (&out->lock);
  (void) pymhd_hub_buffered (pymhd_driver_hub (server->driver), place);
  pymhd_session_touch (session);
  fd = pymhd_session_dup (session);
  if (-1 != fd)
    (void) close (fd);
  pymhd_pump_wake (server->driver);
}


static void *
be_a_writer (void *cls)
{
  unsigned int i;
  int32_t place;

  (void) cls;
  while (! atomic_load (&enough))
  {
    for (i = 0; i < server_count; i++)
      for (place = 0; place < PLACES; place++)
        write_to (&servers[i], place);
    nap ();
  }
  return NULL;
}


static void *
interfere (void *cls)
{
  static const char fields[] = "A\0b";
  char line[256];
  unsigned int i;

  (void) cls;
  while (! atomic_load (&enough))
  {
    for (i = 0; i < server_count; i++)
    {
      (void) pymhd_driver_connections (servers[i].driver);
      (void) is_busy (&servers[i]);
      pymhd_pump_wake (servers[i].driver);
    }
    (void) pymhd_session_close (INT64_C (1) << 32);
    (void) pymhd_sessions_live ();
    while (0 <= pymhd_log_next (line, sizeof (line)))
      ;
    pymhd_response_unref (pymhd_response_new (200, "x", 1, fields, sizeof (fields)));
    nap ();
  }
  return NULL;
}


/* --- a daemon's life --- */

static int
listen_anywhere (void)
{
  const int sock = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  socklen_t size = sizeof (address);

  address = (struct sockaddr_in) { .sin_family = AF_INET };
  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  must (0 == bind (sock, (const struct sockaddr *) &address, size), "bind()");
  must (0 == listen (sock, 100), "listen()");
  (void) getsockname (sock, (struct sockaddr *) &address, &size);
  return sock;
}


static void
start (unsigned int flags,
       unsigned int pool,
       unsigned int count,
       unsigned int drivers)
{
  const int sock = listen_anywhere ();
  unsigned int i;
  unsigned int k;

  server_count = count;
  for (i = 0; i < count; i++)
  {
    const struct pymhd_settings settings = {
      .listen_fds = &sock, .listen_count = 1, .flags = flags, .pool = pool,
      .connections = 500, .timeout_seconds = 5, .memory = 32768, .body = 1000,
      .output = 1 << 20, .close_ms = 100, .quota = &quota,
    };

    servers[i].driver = pymhd_driver_new (i);
    atomic_store (&servers[i].stopping, false);
    servers[i].stopped = false;
    servers[i].patience = 2000;
    servers[i].driver_count = drivers;
    servers[i].out.count = 0;
    for (k = 0; k < PLACES; k++)
      atomic_store (&servers[i].sessions[k], 0);
    must (0 == pymhd_driver_start (servers[i].driver, &settings), "the start");
    for (k = 0; k < drivers; k++)
      must (0 == pthread_create (&servers[i].drivers[k], NULL, &drive, &servers[i]),
            "a thread");
  }
  (void) close (sock);
}


static void
stop (void)
{
  unsigned int i;
  unsigned int k;

  for (i = 0; i < server_count; i++)
  {
    pymhd_driver_refuse (servers[i].driver);
    (void) pymhd_driver_shutdown (servers[i].driver, SHUT_RD);
    atomic_store (&servers[i].stopping, true);
    pymhd_pump_wake (servers[i].driver);
  }
  for (i = 0; i < server_count; i++)
    for (k = 0; k < servers[i].driver_count; k++)
      (void) pthread_join (servers[i].drivers[k], NULL);
}


static void
live (const char *mode,
      unsigned int flags,
      unsigned int pool,
      unsigned int count,
      unsigned int drivers)
{
  unsigned int numbers[CLIENTS];
  pthread_t threads[CLIENTS + WRITERS + 1];
  unsigned int i;

  atomic_store (&enough, false);
  start (flags, pool, count, drivers);
  for (i = 0; i < CLIENTS; i++)
  {
    numbers[i] = i;
    (void) pthread_create (&threads[i], NULL, &be_a_client, &numbers[i]);
  }
  for (i = 0; i < WRITERS; i++)
    (void) pthread_create (&threads[CLIENTS + i], NULL, &be_a_writer, NULL);
  (void) pthread_create (&threads[CLIENTS + WRITERS], NULL, &interfere, NULL);
  for (i = 0; i < 1500; i++)
    nap ();
  stop ();                      /* while they come */
  atomic_store (&enough, true);
  for (i = 0; i < CLIENTS + WRITERS + 1; i++)
    (void) pthread_join (threads[i], NULL);
  while (0 != atomic_load (&streams))
    nap ();
  must (0 == pymhd_sessions_live (), "the end of all sessions");
  must (0 == quota.used, "the end of all upgrades");
  for (i = 0; i < count; i++)
    pymhd_driver_free (servers[i].driver);
  (void) printf ("%s: %u answers, %u upgrades\n", mode,
                 atomic_exchange (&answered, 0), atomic_exchange (&upgraded, 0));
}


int
main (void)
{
  static const char fields[] = "Upgrade\0echo";
  const unsigned int own = MHD_USE_INTERNAL_POLLING_THREAD;
  unsigned int i;

  hello = pymhd_response_new (200, "hello", 5, "", 0);
  echo = pymhd_response_new_upgrade (fields, sizeof (fields));
  hub_echo = pymhd_response_new_hub (fields, sizeof (fields));
  for (i = 0; i < PUMPS; i++)
  {
    (void) pthread_mutex_init (&servers[i].turns, NULL);
    (void) pthread_mutex_init (&servers[i].out.lock, NULL);
  }
  live ("pump", MHD_USE_EPOLL, 0, 1, 1);
  live ("pumps", MHD_USE_EPOLL, 0, PUMPS, 1);
  live ("pump, select", 0, 0, 1, 1);
  live ("external", MHD_USE_EPOLL, 0, 1, 2);
  live ("external, select", 0, 0, 1, 2);
  live ("poll", own | MHD_USE_POLL, 1, 1, 1);
  live ("pool, epoll", own | MHD_USE_EPOLL, 2, 1, 1);
  live ("per connection", own | MHD_USE_POLL | MHD_USE_THREAD_PER_CONNECTION, 1, 1, 1);
  pymhd_response_unref (hello);
  pymhd_response_unref (echo);
  pymhd_response_unref (hub_echo);
  return 0;
}
