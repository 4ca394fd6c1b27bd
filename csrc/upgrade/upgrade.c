/* SPDX-License-Identifier: MIT
 *
 * From the 101 to a descriptor in Python's hands.
 *
 * MHD_response_for_upgrade() is for whoever writes C or uses the raw layer;
 * upgrade_begin() is the handler that Response.for_upgrade() registers.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "upgrade/upgrade.h"
#include "api/batch.h"
#include "api/callbacks/events.h"
#include "api/session.h"
#include "api/upgrade.h"
#include "base/buffer.h"
#include "base/life.h"
#include "base/log.h"
#include "http/request.h"
#include "http/response.h"
#include "mhd/batch.h"
#include "mhd/client.h"
#include "mhd/config.h"
#include "mhd/runs.h"
#include "mhd/server.h"
#include "transport/relay.h"
#include "transport/tls.h"
#include "upgrade/session.h"

/* As libmicrohttpd's experimental interface has it: NULL for a NULL handler
   or without memory, "Connection: Upgrade" added, the handler called once for
   each connection and only after the header went out, the response reusable.
   The Upgrade field is the caller's to add.  Any thread; no Python inside. */
struct MHD_Response *
MHD_response_for_upgrade (MHD_UpgradeHandler upgrade_handler,
                          void *upgrade_handler_cls)
{
  if (NULL == upgrade_handler)
    return NULL;
  return MHD_create_response_for_upgrade (upgrade_handler,
                                          upgrade_handler_cls);
}


/* Queues a response for upgrade with the one status that it can have.  Where
   MHD_queue_response() may be called; no Python inside. */
enum MHD_Result
pymhd_queue_upgrade (struct MHD_Connection *connection,
                     struct MHD_Response *response)
{
  return MHD_queue_response (connection,
                             MHD_HTTP_SWITCHING_PROTOCOLS,
                             response);
}


/* An upgraded connection on its way to Python. */
struct handover
{
  int fd;                       /* Python's; -1: there is none */
  int peer;                     /* the connection's own, libmicrohttpd's */
  struct relay *relay;          /* between the two, over TLS */
};


/* A descriptor for Python: its own number, since closing libmicrohttpd's would
   abort the process, blocking, and not held back by Nagle.  Fails with errno. */
static struct handover
handover_open (struct sessions *sessions,
             struct MHD_Connection *connection,
             int sock)
{
  const int on = 1;
  struct handover handover = { .fd = -1, .peer = sock };
  int flags;

  if (sessions->server->config.tls)
  {
    handover.relay = relay_new (&sessions->relays, connection, &handover.fd);
    if (NULL != handover.relay)
      handover.peer = handover.relay->peer.fd;
  }
  else if ( (-1 != (flags = fcntl (sock, F_GETFL))) &&
            (-1 != fcntl (sock, F_SETFL, flags & ~O_NONBLOCK)) )
    handover.fd = fcntl (sock, F_DUPFD_CLOEXEC, 3);
  /* Fails on a UNIX socket, which has nothing to switch off. */
  if (-1 != handover.fd)
    (void) setsockopt (handover.peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof (on));
  return handover;
}


static void
handover_close (const struct handover *handover)
{
  if (NULL != handover->relay)
    relay_free (handover->relay);
  if (-1 != handover->fd)
    (void) close (handover->fd);
}


/* The bytes that came early.  False if memory is short. */
static bool
upgrade_write_early (struct buffer *text,
                     struct relay *relay,
                     const struct buffer *extra)
{
  return (buffer_add (text, extra->at, extra->size)) &&
         ( (NULL == relay) || (tls_take_early (&relay->tls, text)) );
}


/* A thread of libmicrohttpd's: Python runs inside, starts a thread, and comes
   back.  A connection's own thread then waits for the end of the session, because
   up to 0.9.76 closing it from another one is a use after free; one that serves
   others, too, must go on, and the pump closes it.  Unless this thread is
   the one that closes it, the session may have ended before Python has come back. */
static bool
upgrade_call_back (struct sessions *sessions,
                   struct pymhd_event *event,
                   struct session *session,
                   struct relay *relay,
                   const struct buffer *extra)
{
  struct buffer early = { 0 };
  const bool done = upgrade_write_early (&early, relay, extra);

  event->text_end = (int64_t) early.size;
  if (done)
    pymhd_on_upgraded (sessions->server->config.owner, event, early.at);
  else
  {
    (void) pymhd_session_close (event->session);
    pymhd_on_abandoned (sessions->server->config.owner, event->request);
  }
  free (early.at);
  life_go_on (&sessions->server->life);
  if (config_is_per_connection (&sessions->server->config))
    session_wait (session);
  return done;
}


/* The pump: Python reads of it in the batch. */
static bool
upgrade_add_to_batch (struct sessions *sessions,
                      struct pymhd_event *event,
                      struct session *session,
                      struct relay *relay,
                      const struct buffer *extra)
{
  const size_t before = sessions->server->batch.text.size;

  if ( (upgrade_write_early (&sessions->server->batch.text, relay, extra)) &&
       (batch_add (&sessions->server->batch, event)) )
  {
    session_begin (session);
    return true;
  }
  sessions->server->batch.text.size = before;
  (void) pymhd_session_close (event->session);
  event->kind = PYMHD_EVENT_ABANDONED;
  (void) batch_add (&sessions->server->batch, event);
  return false;
}


/* The driver, inside an upgrade handler. */
void
upgrade_give_up (struct sessions *sessions,
                 int64_t request,
                 struct MHD_UpgradeResponseHandle *urh,
                 const char *why)
{
  const struct pymhd_event event = {
    .kind = PYMHD_EVENT_ABANDONED,
    .request = request,
  };

  log_line ("an upgraded connection was closed at once: %s", why);
  if (config_calls_back (&sessions->server->config))
    pymhd_on_abandoned (sessions->server->config.owner, request);
  else
    (void) batch_add (&sessions->server->batch, &event);
  runs_close (&sessions->server->runs, &sessions->server->config, urh);
}


/* MHD_UpgradeHandler: the driver's thread, no lock of libmicrohttpd's.  The
   session never runs in here. */
static void
upgrade_begin (void *cls,
               struct MHD_Connection *connection,
               void *req_cls,
               const char *extra_in,
               size_t extra_in_size,
               MHD_socket sock,
               struct MHD_UpgradeResponseHandle *urh)
{
  struct pymhd_event event = { .kind = PYMHD_EVENT_UPGRADED };
  struct sessions *const sessions
    = request_of_upgrade (req_cls, &event.request)->sessions;
  const struct handover handover = handover_open (sessions, connection, sock);
  const int error = errno;
  const struct buffer extra = {
    .at = (char *) (uintptr_t) extra_in, .size = extra_in_size
  };
  const struct session kind = {
    .ops = NULL == handover.relay ? &plain_ops : &relayed_ops,
    .fd = handover.peer,
    .relay = handover.relay,
    .tls = NULL == handover.relay ? NULL : &handover.relay->tls,
  };
  struct session *session = NULL;
  bool taken;

  (void) cls;
  event.fd = handover.fd;
  if (-1 != handover.fd)
    session = session_new (sessions, urh, &kind, &event.session);
  request_upgraded (req_cls, NULL != session);
  (void) client_upgraded (sessions->server, connection, false);
  if (NULL == session)
  {
    handover_close (&handover);
    upgrade_give_up (sessions, event.request, urh,
                     -1 == handover.fd ? strerror (error) : "out of memory, or stop()");
    return;
  }
  /* stop() may have looked at the table before this session was in it, so its input is
     ended here.  The session may have ended meanwhile, but a relay's cannot have. */
  if ( (atomic_load (&sessions->server->life.refusing)) &&
       (NULL != handover.relay) )
    relay_shutdown (handover.relay, SHUT_RD);
  else if (atomic_load (&sessions->server->life.refusing))
    (void) shutdown (sock, SHUT_RD);
  taken = config_calls_back (&sessions->server->config)
          ? upgrade_call_back (sessions, &event, session, handover.relay, &extra)
          : upgrade_add_to_batch (sessions, &event, session, handover.relay, &extra);
  if (! taken)
    (void) close (handover.fd);
}


/* Any thread; no Python inside.  NULL if memory is short or libmicrohttpd refuses a
   field. */
struct pymhd_response *
pymhd_response_new_upgrade (const char *fields,
                            size_t fields_size)
{
  return response_for_upgrade (&upgrade_begin, fields, fields_size);
}
