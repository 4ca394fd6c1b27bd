/* SPDX-License-Identifier: MIT
 *
 * libmicrohttpd's logger.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "mhd/log_mhd.h"
#include "base/log.h"
#include "mhd/accept.h"
#include "mhd/config.h"
#include "mhd/server.h"
#include "transport/handshake.h"

/* At INFO; see base/log.h. */
#define WHOSE "Ilibmicrohttpd: "
#define NAP_NS (10 * 1000 * 1000)

/* libmicrohttpd has no other way to say it, and says it on the thread on which the
   completion of the request follows. */
static _Thread_local bool header_failed;


/* Without a descriptor to accept with, libmicrohttpd waits for the end of a
   connection.  Where it has none, and in "per-connection" anyway, it tries again
   at once, which keeps a core busy.  It holds no lock there, and nobody else
   waits for that thread. */
static void
log_mhd_note_short_descriptors (struct server *server,
                                const char *line)
{
  const struct timespec nap = { .tv_nsec = NAP_NS };

  if (NULL == strstr (line, "resource limit at"))
    return;
  if ( (config_is_per_connection (&server->config)) ||
       (NULL != strstr (line, "at FIRST connection")) )
    (void) nanosleep (&nap, NULL);
  else
    accept_failed (server);
}


/* Any thread, any lock of libmicrohttpd's. */
void
log_mhd (void *cls,
         const char *format,
         va_list arguments)
{
  struct server *const server = cls;
  char line[LOG_LINE_SIZE];

  if (handshake_has_failed (format))
    return;                     /* which has said more about it */
  log_add (line, WHOSE, format, arguments);
  (void) pthread_mutex_lock (&server->said.lock);
  (void) snprintf (server->said.line, LOG_LINE_SIZE, "%s",
                   line + strlen (WHOSE));
  (void) pthread_mutex_unlock (&server->said.lock);
  log_mhd_note_short_descriptors (server, line);
  if (NULL != strstr (line, "(failed to create response header)"))
    header_failed = true;
}


bool
log_took_header_failure (void)
{
  const bool failed = header_failed;

  header_failed = false;
  return failed;
}
