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
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"

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


/* A descriptor for Python: its own number, since closing libmicrohttpd's would
   abort the process, blocking, and not held back by Nagle. */
static int
duplicate (int sock)
{
  const int on = 1;
  const int flags = fcntl (sock, F_GETFL);

  /* Fails on a UNIX socket, which has nothing to switch off. */
  (void) setsockopt (sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof (on));
  if ( (-1 == flags) ||
       (-1 == fcntl (sock, F_SETFL, flags & ~O_NONBLOCK)) )
    return -1;
  return fcntl (sock, F_DUPFD_CLOEXEC, 3);
}


/* A thread of libmicrohttpd's: Python runs inside, starts a thread, and comes
   back.  A connection's own thread then waits for the end of the session, because
   up to 0.9.76 closing it from another one is a use after free; one that serves
   others, too, must go on, and the pump closes it.  The session may be gone
   already, but where this thread is to close it. */
static void
call_back (struct pymhd_daemon *daemon,
           const struct pymhd_event *event,
           const char *extra_in,
           struct session *session)
{
  pymhd_on_upgraded (daemon->owner, event, extra_in);
  daemon_called_back (daemon);
  if (daemon->per_connection)
    session_wait (session);
}


/* The driver, inside an upgrade handler. */
void
upgrade_give_up (struct pymhd_daemon *daemon,
                 int64_t request,
                 struct MHD_UpgradeResponseHandle *urh,
                 const char *why)
{
  const struct pymhd_event event = {
    .kind = PYMHD_EVENT_ABANDONED,
    .request = request,
  };

  log_line ("an upgraded connection was closed at once: %s", why);
  if (daemon->calls_back)
    pymhd_on_abandoned (daemon->owner, request);
  else
    (void) pump_add (daemon, &event);
  pump_close (daemon, urh);
}


/* MHD_UpgradeHandler: the driver's thread, no lock of libmicrohttpd's.  The
   session never runs in here. */
void
upgrade_begin (void *cls,
               struct MHD_Connection *connection,
               void *req_cls,
               const char *extra_in,
               size_t extra_in_size,
               MHD_socket sock,
               struct MHD_UpgradeResponseHandle *urh)
{
  struct pymhd_event event = { .kind = PYMHD_EVENT_UPGRADED };
  struct pymhd_daemon *const daemon = request_of_upgrade (req_cls,
                                                          &event.request);
  struct session *session = NULL;
  const int fd = duplicate (sock);
  const int error = errno;

  (void) cls;
  if (-1 != fd)
    session = session_new (daemon, sock, urh, false, &event.session);
  request_upgraded (req_cls);
  client_upgraded (daemon, connection);
  if (-1 == fd)
  {
    upgrade_give_up (daemon, event.request, urh, strerror (error));
    return;
  }
  /* stop() has looked at the table before this session was in it. */
  if (atomic_load (&daemon->refusing))
    (void) shutdown (sock, SHUT_RD);
  event.fd = fd;
  event.text_at = daemon->calls_back ? 0 : (int64_t) daemon->text.size;
  event.text_size = (int64_t) extra_in_size;
  if (NULL == session)
    upgrade_give_up (daemon, event.request, urh, "out of memory, or stop()");
  else if (daemon->calls_back)
  {
    call_back (daemon, &event, extra_in, session);
    return;
  }
  else if ( (text_add (&daemon->text, extra_in, extra_in_size)) &&
            (pump_add (daemon, &event)) )
    return;
  else
  {
    (void) pymhd_session_close (event.session);
    event.kind = PYMHD_EVENT_ABANDONED;
    (void) pump_add (daemon, &event);
  }
  (void) close (fd);
}
