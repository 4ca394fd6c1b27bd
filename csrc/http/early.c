/* SPDX-License-Identifier: MIT
 *
 * Requests that libmicrohttpd before 1.0 refuses before it asks us, and badly: 0.9.72
 * closes without a word, and 0.9.75 sends the header of its answer to a length that is
 * none twice.  Before that, each logs a line; so that is when we answer.
 *
 * On the driver's thread; Python does not run.  The line does not say whose request it
 * is, so those are in a list that wait for lines of theirs, in the header or between
 * chunks: one of the daemon where the pump drives, else one of each thread.
 */
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include "http/early.h"
#include "http/request.h"
#include "mhd/client_state.h"
#include "mhd/config.h"
#include "mhd/log_mhd.h"
#include "mhd/server.h"
#include "transport/tls.h"

#define MALFORMED "400 Bad Request"
/* A line is looked for in so many requests, and not in all that others have begun and
   let lie.  Most headers come in one piece, and theirs is the first. */
#define LOOKS 32

static _Thread_local struct request *begun;


static struct request **
early_list (struct requests *requests)
{
  return config_calls_back (&requests->server->config) ? &begun : &requests->begun;
}


void
early_begin (struct request *request,
             struct MHD_Connection *connection)
{
  struct request **const list = early_list (request->requests);

  if ('0' != MHD_get_version ()[0])
    return;
  request->early = connection;
  request->previous_begun = NULL;
  request->next_begun = *list;
  if (NULL != *list)
    (*list)->previous_begun = request;
  *list = request;
}


/* In stop() the thread, and with it the beginning of its list, may be gone. */
void
early_end (struct request *request)
{
  struct request **const list = early_list (request->requests);

  if (NULL == request->early)
    return;
  request->early = NULL;
  if (NULL != request->previous_begun)
    request->previous_begun->next_begun = request->next_begun;
  else if (request == *list)
    *list = request->next_begun;
  if (NULL != request->next_begun)
    request->next_begun->previous_begun = request->previous_begun;
}


bool
early_say (struct request *request,
           struct MHD_Connection *connection,
           const char *status)
{
  struct server *const server = request->requests->server;

  if (! client_enters (server, request->client, OURS))
    return false;
  farewell (server, request->client->fd, connection, status);
  request->client->lingers = true;
  return true;
}


/* Whatever libmicrohttpd sends after it nobody gets. */
static void
early_say_last (struct request *request,
                const char *status)
{
  struct MHD_Connection *const connection = request->early;

  if (! early_say (request, connection, status))
    return;
  if (request->requests->server->config.tls)
    tls_say_bye (connection);
  (void) shutdown (request->client->fd, SHUT_WR);
}


/* How libmicrohttpd will refuse the length; NULL if it will not. */
static const char *
early_judge_length (struct MHD_Connection *connection)
{
  const char *const length
    = MHD_lookup_connection_value (connection, MHD_HEADER_KIND,
                                   MHD_HTTP_HEADER_CONTENT_LENGTH);
  uint64_t number = 0;
  size_t i;

  if ( (NULL == length) ||
       (NULL != MHD_lookup_connection_value (connection, MHD_HEADER_KIND,
                                             MHD_HTTP_HEADER_TRANSFER_ENCODING)) )
    return NULL;
  if (strlen (length) != strspn (length, "0123456789"))
    return MALFORMED;
  for (i = 0; '\0' != length[i]; i++)
  {
    const uint64_t digit = (uint64_t) (length[i] - '0');

    if (number > (UINT64_MAX - digit) / 10)
      return "413 Content Too Large";
    number = 10 * number + digit;
  }
  return 0 == i ? MALFORMED : NULL;
}


/* The latest come first. */
static void
early_refuse_lengths (struct requests *requests)
{
  struct request *request = *early_list (requests);
  int left;

  for (left = LOOKS; (NULL != request) && (0 < left); left--)
  {
    const char *const status = early_judge_length (request->early);

    if (NULL != status)
      early_say_last (request, status);
    request = request->next_begun;
  }
}


/* Nothing tells a malformed line from those which are right.  So it is answered if
   there is no other request whose line it could be. */
static void
early_refuse_lines (struct requests *requests)
{
  struct request *const request = *early_list (requests);

  if ( (NULL != request) &&
       (NULL == request->next_begun) )
    (void) early_say (request, request->early, MALFORMED);
}


/* Any thread, any lock of libmicrohttpd's: but for these lines, which it logs with
   none, on the thread of the connection. */
void
early_log (void *cls,
           const char *format,
           va_list arguments)
{
  struct requests *const requests = cls;

  log_mhd (requests->server, format, arguments);
  if (log_took_header_failure ())
    request_header_failed ();
  else if (NULL != strstr (format, "Error processing request"))
    request_answered_elsewhere ();
  if (NULL != strstr (format, MHD_HTTP_HEADER_CONTENT_LENGTH))
    early_refuse_lengths (requests);
  else if (NULL != strstr (format, "Received malformed "))
    early_refuse_lines (requests);
}
