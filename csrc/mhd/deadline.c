/* SPDX-License-Identifier: MIT
 *
 * Clients that take too long: for the header of a request, TLS handshake included, or
 * for its body.
 *
 * Whoever serves a connection only writes down where it is.  Every connection is looked
 * at once in a period, one after another in the order of a list, so a request costs
 * nothing more, however many connections there are.  When a header or a body begins is
 * known from these looks, and so only as exactly as they are close: a tenth of the time
 * that is granted.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "mhd/client.h"
#include "mhd/client_state.h"
#include "mhd/config.h"
#include "mhd/runs.h"
#include "mhd/server.h"
#include "transport/handshake.h"

#define LOOKS_IN_TIME 10
#define PERIOD_LEAST_MS 10
/* No more looks in one go; then others have their turn. */
#define LOOKS_AT_ONCE 256
/* Looks follow this many runs of libmicrohttpd's, so that what has come while a handler
   kept the pump is not held against its clients. */
#define RUNS_BEFORE 2
/* Where a thread of libmicrohttpd's serves several connections, input waits while that
   thread is in a handler.  So a client there may take so many times as long. */
#define PATIENCE_BESIDE 4


bool
deadline_begin (struct server *server,
                struct client *client)
{
  if (0 == server->config.look_period_ms)
    return false;
  client->begun_ms = monotonic_ms ();
  client->look_ms = client->begun_ms + server->config.look_period_ms;
  if (0 != atomic_load (&server->clients.look_due_ms))
    return false;
  atomic_store (&server->clients.look_due_ms, client->look_ms);
  return true;
}


void
deadline_open (struct server *server)
{
  struct config *const config = &server->config;
  int64_t least = config->header_ms;

  if ( (0 == least) ||
       ( (0 != config->body_ms) && (config->body_ms < least) ) )
    least = config->body_ms;
  config->look_period_ms = least / LOOKS_IN_TIME;
  if ( (0 != least) &&
       (PERIOD_LEAST_MS > config->look_period_ms) )
    config->look_period_ms = PERIOD_LEAST_MS;
}


/* How many bytes the peer has sent so far; -1 where the kernel does not tell, as on
   UNIX sockets.  Linux has that number since 4.1, and glibc's struct tcp_info not. */
static int64_t
deadline_bytes_received (const struct client *client)
{
  struct
  {
    unsigned char older[104];
    uint64_t pacing_rate;
    uint64_t max_pacing_rate;
    uint64_t bytes_acked;
    uint64_t bytes_received;
  } info = { .bytes_received = 0 };
  socklen_t size = sizeof (info);

  if ( (0 != getsockopt (client->fd, IPPROTO_TCP, TCP_INFO, &info, &size)) ||
       (sizeof (info) > size) )
    return -1;
  return (int64_t) info.bytes_received;
}


/* Whether bytes have come since the last look.  Where nobody tells, libmicrohttpd's
   timeout has ended those that have sent nothing for so long. */
static bool
deadline_has_sent (const struct server *server,
                   struct client *client,
                   int64_t now)
{
  const int64_t before = client->bytes;

  client->bytes = deadline_bytes_received (client);
  if (-1 != client->bytes)
    return before != client->bytes;
  return (0 != server->config.timeout_ms) &&
         (now - client->begun_ms
          > server->config.timeout_ms + server->config.header_ms);
}


/* The stage in which the client is now; learns when that, or the header as a whole,
   began.  The header of a first request begins when the connection does. */
static int
deadline_follow (const struct server *server,
                 struct client *client,
                 int64_t now)
{
  const int stage = atomic_load (&client->stage);
  const unsigned int turn = atomic_load (&client->turn);
  const int before = turn == client->seen_turn ? client->seen_stage : OURS;

  if (KEPT == stage)
  {
    const bool sent = deadline_has_sent (server, client, now);

    if ( (KEPT != before) ||
         ( (sent) && (! client->stirs) ) )
      client->begun_ms = now;
    client->stirs = (KEPT == before) && ( (client->stirs) || (sent) );
  }
  else if ( (stage != before) &&
            (! ( (HEADER == stage) &&
                 ( (OPENED == before) ||
                   ( (KEPT == before) && (client->stirs) ) ) ) ) )
    client->begun_ms = now;
  client->seen_turn = turn;
  client->seen_stage = stage;
  return stage;
}


/* How long the client may still take; INT64_MAX: it is our turn. */
static int64_t
deadline_allowance_ms (const struct server *server,
                       const struct client *client,
                       int stage)
{
  const uint64_t received = atomic_load (&client->received);

  if ( (OPENED == stage) ||
       (HEADER == stage) ||
       ( (KEPT == stage) && (client->stirs) ) )
    return 0 == server->config.header_ms ? INT64_MAX : server->config.header_ms;
  if ( (BODY != stage) ||
       (0 == server->config.body_ms) )
    return INT64_MAX;
  if (0 == server->config.body_rate)
    return server->config.body_ms;
  return server->config.body_ms
         + (int64_t) (1000 * received / (uint64_t) server->config.body_rate);
}


/* Whether its input may be waiting for a thread that is in somebody's handler. */
static bool
deadline_may_wait_for_us (const struct server *server,
                          const struct client *client)
{
  int unread = 0;

  return (config_calls_back (&server->config)) &&
         (! config_is_per_connection (&server->config)) &&
         (0 == ioctl (client->fd, FIONREAD, &unread)) &&
         (0 < unread);
}


/* The clients' lock is held. */
static void
deadline_look (struct server *server,
               struct client *client,
               int64_t now)
{
  const int stage = deadline_follow (server, client, now);
  int64_t allowance = deadline_allowance_ms (server, client, stage);

  if (INT64_MAX == allowance)
    return;
  if (deadline_may_wait_for_us (server, client))
    allowance *= PATIENCE_BESIDE;
  if (now - client->begun_ms < allowance)
    return;
  /* One that has sent nothing has asked for nothing. */
  client_cut (server, client,
              (OPENED == stage) && (0 == deadline_bytes_received (client))
              ? NULL : "408 Request Timeout");
}


/* The clients' lock is held.  When the next look is due, 0 for never. */
static int64_t
deadline_look_at_all (struct server *server,
                      int64_t now)
{
  struct client *client;
  int looks;

  for (looks = 0; looks < LOOKS_AT_ONCE; looks++)
  {
    client = server->clients.asking.first;
    if (NULL == client)
      return 0;
    if (now < client->look_ms)
      return client->look_ms;
    client->look_ms = now + server->config.look_period_ms;
    client_to_end (server, client);
    deadline_look (server, client, now);
  }
  return now + 1;
}


int64_t
deadline_tend (struct server *server)
{
  const int64_t due = atomic_load (&server->clients.look_due_ms);
  int64_t next;
  int64_t now;

  if (0 == due)
    return -1;
  now = monotonic_ms ();
  if (now < due)
    return due - now;
  if ( (! config_calls_back (&server->config)) &&
       (server->runs.count < server->clients.runs_before_look) )
    return 0;
  if ( (! config_calls_back (&server->config)) &&
       (0 == server->clients.runs_before_look) )
  {
    server->clients.runs_before_look = server->runs.count + RUNS_BEFORE;
    runs_again (&server->runs, RUNS_BEFORE);
    return 0;
  }
  server->clients.runs_before_look = 0;
  (void) pthread_mutex_lock (&server->clients.lock);
  next = deadline_look_at_all (server, now);
  /* Many that came one after another are looked at together. */
  if ( (0 != next) &&
       (next < now + server->config.look_period_ms / 4) )
    next = now + server->config.look_period_ms / 4;
  atomic_store (&server->clients.look_due_ms, next);
  (void) pthread_mutex_unlock (&server->clients.lock);
  clients_free_gone (server);
  return 0 == next ? -1 : next - now;
}


void
client_cut (struct server *server,
            struct client *client,
            const char *status)
{
  int stage = atomic_load (&client->stage);

  do
    if (OURS <= stage)
      return;                   /* it has come this far just now */
  while (! atomic_compare_exchange_weak (&client->stage, &stage, CUT));
  ends_remove (server, client);
  handshake_cut (client->handshake,
                 "it takes longer than Limits.header_timeout allows");
  if (NULL != status)
    farewell (server, client->fd, NULL, status);
  /* Whatever libmicrohttpd waits for, this is what it hears of ... */
  (void) shutdown (client->fd, SHUT_RDWR);
  /* ... but in select mode, if it waits for nothing. */
  if (config_selects (&server->config))
  {
    client->next_stuck = server->clients.stuck;
    server->clients.stuck = client;
  }
}


/* The pump in select mode, without a lock: libmicrohttpd looks at the timeout of a
   connection whatever else it does. */
void
clients_time_out (struct server *server)
{
  struct client *client;

  while (NULL != (client = server->clients.stuck))
  {
    server->clients.stuck = client->next_stuck;
    (void) MHD_set_connection_option (client->connection,
                                      MHD_CONNECTION_OPTION_TIMEOUT, 1U);
  }
}
