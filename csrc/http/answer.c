/* SPDX-License-Identifier: MIT
 *
 * A request's answer, and what follows where nobody gets it.
 *
 * All of it runs on the driver's thread.
 */
#include "api/batch.h"
#include "api/callbacks/events.h"
#include "api/response.h"
#include "base/log.h"
#include "base/sigpipe.h"
#include "base/slots.h"
#include "http/file.h"
#include "http/quota.h"
#include "http/request.h"
#include "http/response.h"
#include "http/response_cache.h"
#include "mhd/batch.h"
#include "mhd/client_state.h"
#include "mhd/config.h"
#include "mhd/server.h"

/* The last one that was answered on this thread: libmicrohttpd makes the header of the
   response at once, and this is the one that it speaks of if it cannot. */
static _Thread_local struct request *queued;


/* Tells Python that the upgrade will not come that it may have answered with,
   or that nobody waits for its answer. */
static void
request_abandon (struct request *request)
{
  struct requests *const requests = request->requests;

  if (config_calls_back (&requests->server->config))
    pymhd_on_abandoned (requests->server->config.owner, request->token);
  else
  {
    const struct pymhd_event event = {
      .kind = PYMHD_EVENT_ABANDONED,
      .request = request->token,
    };

    (void) batch_add (&requests->server->batch, &event);
  }
}


void
request_leave_place (struct request *request)
{
  if (request->has_place)
    quota_give_back (request->requests->server->config.quota);
  request->has_place = false;
}


static void
request_drop_answer (struct request *request)
{
  pymhd_response_unref (request->shared);
  if (NULL != request->once)
    MHD_destroy_response (request->once);
}


/* Nobody serves the request any more. */
void
request_forget (void *cls)
{
  struct request *const request = cls;

  if (queued == request)
    queued = NULL;
  request_leave_place (request);
  if ( (ASKED == request->phase) ||
       ( (ANSWERED == request->phase) &&
         (NULL != request->shared) &&
         (response_upgrades (request->shared)) ) )
    request_abandon (request);
  request_drop_answer (request);
  if ( (ASKED == request->phase) &&
       (! config_calls_back (&request->requests->server->config)) )
  {
    /* Python may not have read its event yet, which points to the body. */
    request->next = request->requests->gone;
    request->requests->gone = request;
    request_end (request);
    return;
  }
  request_end (request);
  request_unmake (request);
}


/* libmicrohttpd has given up, before it has sent a byte: the header of the response
   has no room in the connection's memory, which the request's header shares. */
static void
request_say_too_large (const struct request *request,
                       struct MHD_Connection *connection)
{
  const size_t answered = NULL == request->shared
                          ? request->header_size
                          : response_header_size (request->shared);

  log_at (LOG_ERROR,
          "a response was not sent, the client got 500 instead: its header of about "
          "%zu bytes and the request's of about %zu have no room together in Limits.memory "
          "(%zu)", answered, request->head.size, request->requests->server->config.memory);
  farewell (request->requests->server, request->client->fd, connection,
            "500 Internal Server Error");
}


/* Later is too late: 0.9.72 shuts the connection down before it tells of the end. */
void
request_header_failed (void)
{
  const struct request *const request = queued;

  queued = NULL;
  if ( (NULL != request) &&
       (NULL != request->client) )
    request_say_too_large (request, request->client->connection);
}


void
request_answered_elsewhere (void)
{
  queued = NULL;
}


/* MHD_OPTION_NOTIFY_COMPLETED.  After an upgrade libmicrohttpd holds its
   connection mutex here (not in the mode "per-connection"): then only memory
   is freed. */
void
request_completed (void *cls,
                   struct MHD_Connection *connection,
                   void **req_cls,
                   enum MHD_RequestTerminationCode toe)
{
  struct request *const request = *req_cls;

  (void) cls;
  (void) connection;
  (void) toe;
  if (NULL == request)
    return;
  *req_cls = NULL;
  if (NULL != request->client)
    client_is_free (request->requests->server, request->client);
  request_forget (request);
}


static bool
request_has_answer (const struct request *request)
{
  return (NULL != request->shared) ||
         (NULL != request->once);
}


/* We keep the response as long as the client is being sent it, and with it the
   descriptor. */
static enum MHD_Result
request_queue_file (struct request *request,
                    struct MHD_Connection *connection)
{
  struct server *const server = request->requests->server;
  const struct file_part *const part = response_file (request->shared);
  unsigned int status;
  int fd;

  request->once = response_of_file (request->shared, &status, &fd);
  if (NULL == request->once)
  {
    log_line ("memory or descriptors were short for a file; it is answered 500");
    return response_queue (request->requests->refusal[FAILED], connection);
  }
  if (! config_calls_back (&server->config))
    sigpipe_hold (&server->sigpipe);
  if (NULL != request->client)
    sending_begin (server, request->client, fd, part->offset + part->size);
  return MHD_queue_response (connection, status, request->once);
}


static enum MHD_Result
request_queue_answer (struct request *request,
                      struct MHD_Connection *connection)
{
  enum MHD_Result result;

  if (NULL != request->shared)
  {
    if (NULL != response_file (request->shared))
      return request_queue_file (request, connection);
    if (response_upgrades (request->shared))
    {
      request->has_place = quota_take (request->requests->server->config.quota);
      if (! request->has_place)
        return response_queue (request->requests->refusal[CROWDED], connection);
    }
    return response_queue (request->shared, connection);
  }
  result = MHD_queue_response (connection, request->once_status, request->once);
  MHD_destroy_response (request->once);
  request->once = NULL;
  return result;
}


enum MHD_Result
request_reply (struct request *request,
               struct MHD_Connection *connection)
{
  if (REFUSALS != request->refusal)
  {
    queued = request;
    request_enter (request, ANSWERED);
    return response_queue (request->requests->refusal[request->refusal],
                           connection);
  }
  if (! request_has_answer (request))
    return MHD_YES;             /* Python is at it: we are called again */
  queued = request;
  request_enter (request, ANSWERED);
  if (MHD_YES == request_queue_answer (request, connection))
    return MHD_YES;
  log_line ("libmicrohttpd did not take the response to a request; "
            "the connection is closed");
  return MHD_NO;
}


/* The pump's thread, outside libmicrohttpd. */
void
request_answer (struct requests *requests,
                const struct pymhd_answer *answer,
                const char *bytes)
{
  struct request *const request = slots_get (&requests->asked, answer->request);

  if ( (NULL == request) ||
       (request_has_answer (request)) )
    return;
  request->shared = 0 != answer->shared
                    ? (struct pymhd_response *) (intptr_t) answer->shared
                    : response_cache_find (requests, answer, bytes);
  if (NULL != request->shared)
  {
    pymhd_response_ref (request->shared);
    return;
  }
  request->once_status = answer->status;
  request->header_size = answer->fields_size;
  request->once = response_once (answer->status,
                                 bytes,
                                 answer->body_size,
                                 bytes + answer->body_size,
                                 answer->fields_size);
  if (NULL != request->once)
    return;
  log_line ("libmicrohttpd did not make the response to a request; "
            "it is answered 500");
  request_refuse (request, FAILED);
}
