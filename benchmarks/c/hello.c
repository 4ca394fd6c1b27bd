/* SPDX-License-Identifier: MIT
 *
 * The anchor of the HTTP loads: what a C program on libmicrohttpd does.
 *
 * usage: hello PORT WHAT [threads=N] [pool=BYTES] [file=PATH] [cert=PATH key=PATH]
 *
 * WHAT is the name of a handler in handlers.c.  threads=1 is one epoll thread of
 * libmicrohttpd's, N a pool of N, 0 a loop of our own that calls MHD_run().
 * pool is the memory of a connection; without it, it is libmicrohttpd's default.
 */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handlers.h"

static const struct handler *handler;
static struct request without_body;


static enum MHD_Result
gather (struct request *request,
        const char *data,
        size_t *size)
{
  if (handler->keeps_body)
  {
    char *const grown = realloc (request->body, request->size + *size);

    if (NULL == grown)
      return MHD_NO;
    memcpy (grown + request->size, data, *size);
    request->body = grown;
  }
  request->size += *size;
  *size = 0;
  return MHD_YES;
}


static enum MHD_Result
on_request (void *cls,
            struct MHD_Connection *connection,
            const char *url,
            const char *method,
            const char *version,
            const char *data,
            size_t *size,
            void **context)
{
  struct request get = { .connection = connection };
  struct MHD_Response *response;
  enum MHD_Result queued;

  (void) cls;
  (void) url;
  (void) version;
  if (NULL == *context)
  {
    *context = 'P' == method[0] ? calloc (1, sizeof (get)) : &without_body;
    return NULL == *context ? MHD_NO : MHD_YES;
  }
  if (0 != *size)
    return gather (*context, data, size);
  response = handler->handle (&without_body == *context ? &get : *context);
  if (NULL == response)
    return MHD_NO;
  queued = MHD_queue_response (connection, MHD_HTTP_OK, response);
  if (response != shared)
    MHD_destroy_response (response);
  return queued;
}


static void
on_completed (void *cls,
              struct MHD_Connection *connection,
              void **context,
              enum MHD_RequestTerminationCode why)
{
  struct request *const request = *context;

  (void) cls;
  (void) connection;
  (void) why;
  if ( (NULL == request) ||
       (&without_body == request) )
    return;
  free (request->body);
  free (request);
}


static char *
read_file (const char *path)
{
  FILE *const file = fopen (path, "r");
  char *const text_read = calloc (1, 1 << 16);

  if ( (NULL == file) ||
       (NULL == text_read) ||
       (0 == fread (text_read, 1, (1 << 16) - 1, file)) )
  {
    perror (path);
    exit (1);
  }
  (void) fclose (file);
  return text_read;
}


/* The value of an option NAME=VALUE, or NULL. */
static const char *
option (char **arguments,
        const char *name)
{
  const size_t length = strlen (name);

  for (; NULL != *arguments; arguments++)
    if ( (0 == strncmp (*arguments, name, length)) &&
         ('=' == (*arguments)[length]) )
      return *arguments + length + 1;
  return NULL;
}


static struct MHD_Daemon *
start (char **arguments)
{
  const char *const threads = option (arguments + 3, "threads");
  const char *const pool = option (arguments + 3, "pool");
  const char *const cert = option (arguments + 3, "cert");
  const unsigned int count
    = NULL == threads ? 1 : (unsigned int) atoi (threads);
  unsigned int flags
    = MHD_USE_TURBO
      | (0 == count ? MHD_USE_EPOLL : MHD_USE_EPOLL_INTERNAL_THREAD);
  struct MHD_OptionItem options[5];
  size_t n = 0;

  if (count > 1)
    options[n++] = (struct MHD_OptionItem) { MHD_OPTION_THREAD_POOL_SIZE,
                                             count, NULL };
  if (NULL != pool)
    options[n++] = (struct MHD_OptionItem) { MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                             atol (pool), NULL };
  if (NULL != cert)
  {
    flags |= MHD_USE_TLS;
    options[n++] = (struct MHD_OptionItem) {
      MHD_OPTION_HTTPS_MEM_CERT, 0, read_file (cert) };
    options[n++] = (struct MHD_OptionItem) {
      MHD_OPTION_HTTPS_MEM_KEY, 0, read_file (option (arguments + 3, "key")) };
  }
  options[n] = (struct MHD_OptionItem) { MHD_OPTION_END, 0, NULL };
  return MHD_start_daemon (flags, (uint16_t) atoi (arguments[1]),
                           NULL, NULL,
                           &on_request, NULL,
                           MHD_OPTION_CONNECTION_LIMIT, 20000u,
                           MHD_OPTION_NOTIFY_COMPLETED, &on_completed, NULL,
                           MHD_OPTION_ARRAY, options,
                           MHD_OPTION_END);
}


static void
serve (struct MHD_Daemon *daemon)
{
  struct pollfd ready = {
    .fd = MHD_get_daemon_info (daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
    .events = POLLIN
  };

  for (;;)
  {
    MHD_UNSIGNED_LONG_LONG wait;

    if (MHD_YES == MHD_get_timeout (daemon, &wait))
      (void) poll (&ready, 1, (int) wait);
    else
      (void) poll (&ready, 1, -1);
    (void) MHD_run (daemon);
  }
}


int
main (int argc,
      char **argv)
{
  struct MHD_Daemon *daemon;
  const char *threads;

  if (argc > 2)
    handler = find_handler (argv[2], option (argv + 3, "file"));
  if (NULL == handler)
  {
    fprintf (stderr, "usage: hello PORT WHAT [NAME=VALUE...]\n");
    return 2;
  }
  daemon = start (argv);
  if (NULL == daemon)
  {
    fprintf (stderr, "libmicrohttpd does not start\n");
    return 1;
  }
  threads = option (argv + 3, "threads");
  if ( (NULL != threads) &&
       (0 == atoi (threads)) )
    serve (daemon);
  return pause ();
}
