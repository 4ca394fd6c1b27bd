/* SPDX-License-Identifier: MIT
 *
 * Lengths that are none, before 1.0: libmicrohttpd refuses them before it asks us.
 * 0.9.72 closes without a word, and 0.9.75 sends its answer's header twice.  Before
 * that, each logs a line; so that is when we answer.
 *
 * On the driver's thread; Python does not run.  The line does not say whose length it
 * is, so the requests that wait for their headers are in a list: one of the daemon
 * where the pump drives, else one of each thread.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "http/early.h"
#include "http/request.h"
#include "http/response.h"
#include "mhd/config.h"
#include "mhd/log_mhd.h"
#include "mhd/server.h"
#include "transport/tls.h"

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


void
early_say (const struct requests *requests,
           struct MHD_Connection *connection,
           enum refusal refusal)
{
  const union MHD_ConnectionInfo *const info
    = MHD_get_connection_info (connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  const char *const body = response_canned_body (refusal);
  char text[256];
  int size;

  if (NULL == info)
    return;
  size = snprintf (text, sizeof (text),
                   "HTTP/1.1 %.*s\r\nConnection: close\r\n"
                   "Content-Type: text/plain; charset=utf-8\r\n"
                   "Content-Length: %zu\r\n\r\n%s",
                   (int) strcspn (body, "\n"), body, strlen (body), body);
  if (requests->server->config.tls)
    tls_say_last (connection, text, (size_t) size);
  else
    (void) send (info->connect_fd, text, (size_t) size,
                 MSG_DONTWAIT | MSG_NOSIGNAL);
  (void) shutdown (info->connect_fd, SHUT_RDWR);
}


/* How libmicrohttpd will refuse the length; REFUSALS if it will not. */
static enum refusal
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
    return REFUSALS;
  if (strlen (length) != strspn (length, "0123456789"))
    return BAD_REQUEST;
  for (i = 0; '\0' != length[i]; i++)
  {
    const uint64_t digit = (uint64_t) (length[i] - '0');

    if (number > (UINT64_MAX - digit) / 10)
      return TOO_LARGE;
    number = 10 * number + digit;
  }
  return 0 == i ? BAD_REQUEST : REFUSALS;
}


/* Any thread, any lock of libmicrohttpd's: but for this line, which it logs with none,
   on the thread of the connection. */
void
early_log (void *cls,
           const char *format,
           va_list arguments)
{
  struct requests *const requests = cls;
  struct request *request;

  log_mhd (requests->server, format, arguments);
  if (NULL == strstr (format, MHD_HTTP_HEADER_CONTENT_LENGTH))
    return;
  for (request = *early_list (requests); NULL != request; request = request->next_begun)
  {
    const enum refusal refusal = early_judge_length (request->early);

    if (REFUSALS != refusal)
      early_say (requests, request->early, refusal);
  }
}
